"""Nothing is sent to a server that cannot be verified, and certificates replaced on disk are used; both protocols."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from otel_errsample.testing.receiver import Receiver, TlsFiles
from otel_errsample.testing.replies import Reply
from otel_errsample.transport import Answer, Outcome
from tests.exchange import opened, protocols
from tests.otlp import request
from tests.tls_files import Authority, Pair

_ONE = request("one")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.issue("server")


@protocols
def test_a_trusted_server_is_spoken_to_over_tls(protocol: str, authority: Authority, server: Pair) -> None:
    with Receiver(protocol, tls=TlsFiles(*server)) as receiver:
        with opened(receiver.settings(certificate=authority.roots)) as transport:
            assert [Answer(Outcome.ACCEPTED)] * 2 == [transport.send(_ONE, 10.0) for _ in range(2)]
        assert receiver.wait_for(2)


@pytest.mark.scenario("D10")
@protocols
@pytest.mark.parametrize("fault", ["unknown authority", "system roots", "expired", "wrong host"])
def test_a_server_that_cannot_be_verified_gets_nothing(
    protocol: str, fault: str, authority: Authority, tmp_path: Path
) -> None:
    pair = (
        authority.issue("wrong", "DNS:elsewhere.example") if fault == "wrong host" else authority.issue("late", days=-1)
    )
    if fault in ("unknown authority", "system roots"):
        pair = authority.issue("fine")
    roots = {"unknown authority": Authority(tmp_path).roots, "system roots": None}.get(fault, authority.roots)
    with Receiver(protocol, tls=TlsFiles(*pair)) as receiver:
        with opened(receiver.settings(certificate=roots)) as transport:
            answer = transport.send(_ONE, 5.0)
        assert (Outcome.RETRY, False) == (answer.outcome, answer.maybe_delivered)
        assert {"grpc": "UNAVAILABLE", "http": "tls"}[protocol] == answer.cause
        assert [] == receiver.requests


@pytest.mark.scenario("D10")
@protocols
def test_a_client_certificate_is_shown_where_it_is_asked_for(protocol: str, authority: Authority, server: Pair) -> None:
    client = authority.issue("client")
    with Receiver(protocol, tls=TlsFiles(*server, client_roots=authority.roots)) as receiver:
        with opened(receiver.settings(certificate=authority.roots)) as transport:
            assert Outcome.RETRY is transport.send(_ONE, 5.0).outcome
        assert [] == receiver.requests
        mutual = {"client_key": client.key, "client_certificate": client.certificate}
        with opened(receiver.settings(certificate=authority.roots, **mutual)) as transport:
            assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 10.0)


@pytest.mark.scenario("D10")
@protocols
def test_certificates_replaced_on_disk_are_used_by_the_next_send(
    protocol: str, authority: Authority, server: Pair, tmp_path: Path
) -> None:
    """First the client's pair expires and is replaced, then the authority changes under an open connection."""
    roots, key, chain = (str(tmp_path / name) for name in ("roots.pem", "client.key", "client.pem"))

    def install(source: str, target: str) -> None:
        Path(shutil.copy(source, target + ".new")).replace(target)

    expired, fresh = authority.issue("expired", days=-1), authority.issue("fresh")
    for source, target in ((authority.roots, roots), (expired.key, key), (expired.certificate, chain)):
        install(source, target)
    files = {"certificate": roots, "client_key": key, "client_certificate": chain}
    with (
        Receiver(protocol, tls=TlsFiles(*server, client_roots=authority.roots)) as receiver,
        opened(receiver.settings(**files)) as transport,
    ):
        assert Outcome.RETRY is transport.send(_ONE, 5.0).outcome
        install(fresh.key, key)
        install(fresh.certificate, chain)
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 10.0)
        Path(roots).unlink()
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 10.0), "an open connection outlives a missing file"
        install(Authority(tmp_path, "stranger").roots, roots)
        assert Outcome.RETRY is transport.send(_ONE, 5.0).outcome


@protocols
def test_a_certificate_file_that_cannot_be_read_sends_nothing(protocol: str, server: Pair, tmp_path: Path) -> None:
    with Receiver(protocol, tls=TlsFiles(*server)) as receiver:
        with opened(receiver.settings(certificate=str(tmp_path / "missing.pem"))) as transport:
            answer = transport.send(_ONE, 5.0)
        assert (Outcome.RETRY, "certificate") == (answer.outcome, answer.cause)
        assert [] == receiver.requests


@protocols
def test_abort_ends_a_send_over_tls(protocol: str, authority: Authority, server: Pair) -> None:
    with (
        Receiver(protocol, [Reply(fault="black_hole")], tls=TlsFiles(*server)) as receiver,
        opened(receiver.settings(certificate=authority.roots)) as transport,
    ):
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(transport.send(_ONE, 60.0)))
        thread.start()
        assert receiver.wait_for_requests(1)
        transport.abort()
        thread.join(5.0)
        assert [Answer(Outcome.RETRY, maybe_delivered=True, cause="aborted")] == answers
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 10.0)
