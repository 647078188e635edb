"""A file that an operator names is there whole or as it was, and nothing of another kind is replaced by it."""

from __future__ import annotations

import os

import pytest

from adapters.wire.durable import HEAD, left_of, made

OLD, NEW = b"ours: old\n", b"ours: new\n"


def ours(head):
    return head.startswith(b"ours")


def write(target, over=ours, content=NEW, meanwhile=lambda: None):
    with made(target, over) as part:
        part.write_bytes(content)
        meanwhile()


def listed(folder):
    return sorted(one.name for one in folder.iterdir())


def no_links(*_):
    raise PermissionError(1, "Operation not permitted")


@pytest.fixture(params=["links", "no links"], autouse=True)
def links(request, monkeypatch):
    """On a file system with hard links, and on one without (FAT, CIFS)."""
    if request.param == "no links":
        monkeypatch.setattr(os, "link", no_links)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "file"


def test_it_is_there_with_its_name_alone_when_it_is_done(target, tmp_path):
    seen = []
    write(target, None, meanwhile=lambda: seen.append((target.exists(), len(listed(tmp_path)))))
    assert seen == [(False, 1)]
    assert target.read_bytes() == NEW
    assert listed(tmp_path) == ["file"]


def test_what_is_there_is_replaced_at_once_if_it_is_of_the_kind_or_empty(target, tmp_path):
    for content in (OLD, b""):
        target.write_bytes(content)
        write(target, meanwhile=lambda content=content: content == target.read_bytes() or pytest.fail("too early"))
        assert target.read_bytes() == NEW
    assert listed(tmp_path) == ["file"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_an_operator_has_written_is_his_alone_whatever_the_umask(umask, target):
    modes, before = [], os.umask(umask)
    try:
        write(target, None, meanwhile=lambda: modes.extend(one.stat().st_mode for one in target.parent.iterdir()))
    finally:
        os.umask(before)
    assert [mode & 0o777 for mode in (*modes, target.stat().st_mode)] == [0o600, 0o600]


def test_permissions_go_on_with_the_name(target):
    target.write_bytes(OLD)
    target.chmod(0o640)
    write(target)
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("over", [None, ours], ids=["nothing", "of our kind"])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_is_of_another_kind_stays_and_nothing_is_done(over, when, target, tmp_path):
    def theirs():
        target.write_bytes(b"theirs")

    if when == "before":
        theirs()
    with pytest.raises(FileExistsError) as refused:
        write(target, over, meanwhile=theirs if when == "meanwhile" else lambda: pytest.fail("work for nothing"))
    assert refused.value.filename == str(target)
    assert target.read_bytes() == b"theirs"
    assert listed(tmp_path) == ["file"]


def test_one_of_the_kind_stays_too_where_nothing_is_to_be_replaced(target):
    target.write_bytes(OLD)
    with pytest.raises(FileExistsError):
        write(target, None)
    assert target.read_bytes() == OLD


def test_what_comes_at_the_last_moment_stays_too(target, tmp_path, monkeypatch):
    link = os.link

    def late(part, name):
        target.write_bytes(b"theirs")
        link(part, name)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(FileExistsError):
        write(target, None)
    assert target.read_bytes() == b"theirs"
    assert listed(tmp_path) == ["file"]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda it: it.symlink_to("/nowhere/at/all")])
def test_what_is_no_file_is_of_no_kind(make, target, tmp_path):
    make(target)
    with pytest.raises(FileExistsError):
        write(target, lambda _: True)
    assert listed(tmp_path) == ["file"]


def test_a_kind_is_told_by_the_beginning(target):
    seen = []
    target.write_bytes(b"x" * (HEAD + 1))
    write(target, lambda head: not seen.append(len(head)))
    assert set(seen) == {HEAD}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_comes_to_nothing_changes_nothing_and_leaves_nothing(error, target, tmp_path):
    def breaks():
        raise error

    target.write_bytes(OLD)
    with pytest.raises(error):
        write(target, meanwhile=breaks)
    assert target.read_bytes() == OLD
    assert listed(tmp_path) == ["file"]


def test_it_is_flushed_before_it_has_its_name_and_its_name_after(target, monkeypatch):
    fsync, flushed = os.fsync, []
    monkeypatch.setattr(os, "fsync", lambda it: (flushed.append((os.fstat(it).st_size, target.exists())), fsync(it))[1])
    write(target, None)
    (size, named), (_, at_last) = flushed
    assert (size, named, at_last) == (len(NEW), False, True)


def test_what_a_killed_process_left_of_one_file_is_told_from_what_is_of_others(tmp_path):
    target = tmp_path / "a[b]"
    with made(target) as part:
        other = tmp_path / f".a.{'ab' * 8}.part"
        for one in (other, tmp_path / ".a[b].mine.part", part.with_name(f"{part.name}-journal")):
            one.write_bytes(b"")
        assert set(left_of(target)) == {part, part.with_name(f"{part.name}-journal")}
