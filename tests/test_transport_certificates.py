"""TLS files are loaded, checked, and read again when they are replaced."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otel_errsample.transport.certificates import CertificateError, Certificates, Pem
from otel_errsample.transport.settings import OtlpSettings
from tests.tls_files import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def client(authority: Authority) -> Pair:
    return authority.issue("client")


def mutual(authority: Authority, client: Pair) -> OtlpSettings:
    return OtlpSettings(certificate=authority.roots, client_key=client.key, client_certificate=client.certificate)


def test_all_files_are_loaded(authority: Authority, client: Pair) -> None:
    paths = (authority.roots, client.key, client.certificate)
    certificates = Certificates(mutual(authority, client))
    assert Pem(*(Path(path).read_bytes() for path in paths)) == certificates.pem()


def test_without_files_the_systems_roots_count_and_nothing_ever_changes() -> None:
    certificates = Certificates(OtlpSettings())
    assert Pem(None, None, None) == certificates.pem()
    assert not certificates.changed()


@pytest.mark.parametrize("broken", ["missing", "no PEM", "a directory", "NUL"])
def test_files_that_cannot_be_used_are_an_error(broken: str, tmp_path: Path) -> None:
    path = tmp_path / "roots.pem"
    if broken == "no PEM":
        path.write_text("nothing of the kind")
    if broken == "a directory":
        path.mkdir()
    certificates = Certificates(OtlpSettings(certificate="\0" if broken == "NUL" else str(path)))
    with pytest.raises(CertificateError):
        certificates.pem()


def test_a_key_of_another_certificate_is_an_error(authority: Authority, client: Pair) -> None:
    other = authority.issue("other")
    with pytest.raises(CertificateError):
        Certificates(mutual(authority, Pair(client.certificate, other.key))).context()


def test_an_encrypted_key_is_an_error_and_asks_nobody_for_a_password(authority: Authority, client: Pair) -> None:
    encrypted = client.key + ".encrypted"
    options = ("-aes256", "-passout", "pass:x", "-in", client.key, "-out", encrypted)
    subprocess.run(("openssl", "ec", *options), check=True, capture_output=True, timeout=30)
    program = (
        "import sys; from otel_errsample.transport.certificates import *; "
        "settings = OtlpSettings(client_certificate=sys.argv[1], client_key=sys.argv[2])\n"
        "try: Certificates(settings).context()\n"
        "except CertificateError: print('refused')"
    )
    # OpenSSL asks on the terminal, so there must be one.
    command = (sys.executable, "-c", program, client.certificate, encrypted)
    terminal = (sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *command)
    done = subprocess.run(terminal, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert "refused" == done.stdout.strip()


def test_a_replaced_file_is_noticed_until_it_is_loaded(authority: Authority, client: Pair, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    shutil.copy(authority.roots, roots)
    certificates = Certificates(OtlpSettings(certificate=str(roots)))
    assert not certificates.changed(), "nothing was loaded yet"
    certificates.context()
    assert not certificates.changed()
    shutil.copy(authority.roots, tmp_path / "new.pem")
    (tmp_path / "new.pem").replace(roots)
    assert certificates.changed()
    certificates.context()
    assert not certificates.changed()


def test_a_file_that_is_missing_just_now_counts_as_unchanged(authority: Authority, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    shutil.copy(authority.roots, roots)
    certificates = Certificates(OtlpSettings(certificate=str(roots)))
    certificates.context()
    roots.unlink()
    assert not certificates.changed()
