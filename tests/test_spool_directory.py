"""Whose a directory and a file have to be, and who may have the file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import psutil
import pytest

from otel_errsample.spool import directory as module
from otel_errsample.spool.directory import BAD, Directory, Unusable, is_adoptable

fcntl = pytest.importorskip("fcntl", reason="needs file locks")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def directory(path: Path) -> Directory:
    directory = Directory(str(path))
    directory.prepare()
    return directory


def created(directory: Directory, size: int = 8192) -> tuple[str, int]:
    kept: list[int] = []
    return directory.create(size, kept.append), kept[0]


def orphan(directory: Directory) -> str:
    name, descriptor = created(directory)
    os.close(descriptor)
    return name


def test_a_missing_directory_is_made_for_its_user_alone(path: Path, directory: Directory) -> None:
    assert 0o700 == stat.S_IMODE(path.stat().st_mode)
    directory.prepare()
    assert [] == directory.entries()


def test_a_directory_is_not_made_where_its_parent_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"it cannot be made \(No such file or directory\)"):
        Directory(str(tmp_path / "not" / "there")).prepare()


@pytest.mark.scenario("I7")
def test_a_directory_that_others_may_enter_is_refused(path: Path) -> None:
    path.mkdir(mode=0o755)
    with pytest.raises(Unusable, match="other users may enter it; it is expected to have mode 0700"):
        Directory(str(path)).prepare()


@pytest.mark.scenario("I7")
def test_a_directory_of_another_user_is_refused(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(Unusable, match="it belongs to another user; name a directory inside it"):
        directory.prepare()


@pytest.mark.scenario("I7")
def test_neither_a_link_nor_a_file_is_a_directory(tmp_path: Path, directory: Directory) -> None:
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(directory.path)
    file.touch()
    for path in (str(link), f"{link}/", str(file)):
        with pytest.raises(Unusable, match="it cannot be opened"):
            Directory(path).prepare()


def test_it_is_the_same_directory_wherever_the_process_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    directory = Directory("errors")
    directory.prepare()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    name = orphan(directory)
    assert (tmp_path / "errors" / name).exists()


def test_a_system_without_file_locks_has_no_spool(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fcntl", None)
    with pytest.raises(Unusable, match="on this system"):
        Directory(str(path)).prepare()


def test_a_file_is_its_users_alone_has_its_bytes_and_is_locked(path: Path, directory: Directory) -> None:
    name, descriptor = created(directory)
    status = (path / name).stat()
    assert (0o600, 8192) == (stat.S_IMODE(status.st_mode), status.st_size)
    assert status.st_blocks * 512 >= 8192, "a hole would be SIGBUS on a full volume"
    assert directory.lock(name) is None
    os.close(descriptor)
    again = directory.lock(name)
    assert again is not None
    os.close(again)


def test_nobody_finds_a_file_before_its_head_is_written(path: Path, directory: Directory) -> None:
    seen: list[list[str]] = []

    def fill(descriptor: int) -> None:
        seen.append([entry.name for entry in directory.entries() if is_adoptable(entry.name)])
        os.close(descriptor)

    name = directory.create(4096, fill)
    assert [[]] == seen
    assert [name] == [entry.name for entry in directory.entries()]


@pytest.mark.scenario("F5")
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_file_that_cannot_have_its_bytes_leaves_nothing_behind(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(descriptor: int, size: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(module, "_set_aside", refuse)
    descriptors = psutil.Process().num_fds()
    with pytest.raises(Unusable, match=f"no file can be made in it \\({os.strerror(error)}\\)"):
        created(directory)
    assert [] == directory.entries()
    assert descriptors >= psutil.Process().num_fds()  # gRPC closes those of a former test when it likes


def test_a_file_whose_head_cannot_be_written_leaves_nothing_behind(directory: Directory) -> None:
    def fill(descriptor: int) -> None:
        os.close(descriptor)
        raise MemoryError

    with pytest.raises(MemoryError):
        directory.create(4096, fill)
    assert [] == directory.entries()


def test_without_fallocate_zeros_are_written(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    _, descriptor = created(directory, size=100_000)
    assert 100_000 == os.fstat(descriptor).st_size
    assert os.fstat(descriptor).st_blocks * 512 >= 100_000
    os.close(descriptor)


def spoil(path: Path, name: str, how: str) -> None:
    file = path / name
    if how == "readable by others":
        file.chmod(0o644)
    elif how == "hard link":
        os.link(file, path / f"b{name}")
    elif how == "symbolic link":
        target = path / "target"
        file.rename(target)
        file.symlink_to(target)
    elif how == "pipe":
        file.unlink()
        os.mkfifo(file, 0o600)
    elif how == "directory":
        file.unlink()
        file.mkdir(0o600)


@pytest.mark.scenario("I7")
@pytest.mark.parametrize("how", ["readable by others", "hard link", "symbolic link", "pipe", "directory"])
def test_what_we_would_not_have_made_is_neither_listed_nor_locked(path: Path, directory: Directory, how: str) -> None:
    name = orphan(directory)
    spoil(path, name, how)
    assert name not in [entry.name for entry in directory.entries()]
    assert directory.lock(name) is None


def test_other_peoples_files_in_the_directory_are_none_of_ours(path: Path, directory: Directory) -> None:
    (path / "notes.txt").touch(mode=0o600)
    assert [] == directory.entries()


def test_a_lock_on_a_file_that_was_replaced_meanwhile_is_none(
    path: Path, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its adopter removed it between our open and our lock, and somebody made one of the same name."""
    name = orphan(directory)
    flock = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        (path / name).unlink()
        (path / name).touch(mode=0o600)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    assert directory.lock(name) is None


def test_the_oldest_is_listed_first(path: Path, directory: Directory) -> None:
    names = [orphan(directory) for _ in range(3)]
    for age, name in enumerate(names):
        os.utime(path / name, (1000 - age, 1000 - age))
    assert names[::-1] == [entry.name for entry in directory.entries()]


def test_what_is_set_aside_is_listed_and_not_adopted(directory: Directory) -> None:
    name = orphan(directory)
    directory.set_aside(name)
    assert [name + BAD] == [entry.name for entry in directory.entries()]
    assert not is_adoptable(name + BAD)
    directory.remove(name + BAD)
    directory.remove(name)
    directory.set_aside(name)
    assert [] == directory.entries()


def test_a_directory_that_was_removed_is_noticed(path: Path, directory: Directory) -> None:
    path.rmdir()
    with pytest.raises(Unusable, match="it cannot be opened"):
        directory.entries()
