"""`goniec pki dev`: keys that only their owner can read, and never written over by accident."""

from __future__ import annotations

import stat

from tests.commands import answer, run


def test_keys_are_readable_by_their_owner_only_and_what_is_there_is_kept_unless_forced(tmp_path):
    folder = tmp_path / "pki"
    told = answer("pki", "dev", "--folder", folder)
    assert told["files"] == sorted(one.name for one in folder.iterdir())
    secrets = [one for one in folder.iterdir() if one.suffix == ".key" or one.name == "seal.bundle.pem"]
    assert len(secrets) > 5
    assert {stat.S_IMODE(one.stat().st_mode) for one in secrets} == {0o600}
    assert all(b"PRIVATE KEY" not in one.read_bytes() for one in folder.iterdir() if one not in secrets)

    first = (folder / "seal.pem").read_bytes()
    assert "--force" in run("pki", "dev", "--folder", folder, status=1).stderr
    assert (folder / "seal.pem").read_bytes() == first
    run("pki", "dev", "--folder", folder, "--force")
    assert (folder / "seal.pem").read_bytes() != first
    assert {stat.S_IMODE(one.stat().st_mode) for one in secrets} == {0o600}


def test_keys_that_somebody_else_has_put_there_stay(tmp_path):
    (tmp_path / "server.key").write_bytes(b"mine")
    assert "--force" in run("pki", "dev", "--folder", tmp_path, status=1).stderr
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("server.key", b"mine")]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert "file" in run("pki", "dev", "--folder", tmp_path / "file" / "pki", status=2).stderr
