"""Settings about revocation become a keeper, or problems with their paths."""

from __future__ import annotations

from datetime import timedelta

import pytest

from broker.errors import ConfigError
from broker.verify import TrustSnapshot
from config import revocation
from config.settings import Settings

SEAL = {"kind": "pem", "file": "seal.pem"}


def settings(folder, **trust) -> Settings:
    return Settings(seal=SEAL, folder=folder, trust=trust)


def problems(folder, **trust) -> str:
    with pytest.raises(ConfigError) as wrong:
        revocation.examine(settings(folder, **trust))
    (problem,) = wrong.value.problems
    return problem


def test_where_nobody_asks_there_is_no_keeper(tmp_path):
    assert revocation.keeper(settings(tmp_path), TrustSnapshot) is None
    assert list(tmp_path.iterdir()) == []


def test_who_asks_must_say_whom(tmp_path):
    assert problems(tmp_path, revocation="require").startswith("trust.hosts: must list the hosts")


def test_two_caches_in_one_folder_are_refused(tmp_path):
    (tmp_path / "caches").mkdir()
    asked = {"revocation": "require", "hosts": ("crl.example",), "cache": "caches"}
    same = problems(tmp_path, **asked, lists={"cache": tmp_path / "caches" / ".." / "caches"})
    assert same.startswith("trust.cache: is the folder of trust.lists.cache too")
    revocation.examine(settings(tmp_path, **asked, lists={"cache": "lists"}))
    revocation.examine(settings(tmp_path, cache="caches", lists={"cache": "caches"}))  # nobody keeps evidence


def test_a_host_that_is_none_is_told(tmp_path):
    assert problems(tmp_path, hosts=("http://crl.example",)).startswith("trust.hosts: 'http://crl.example'")


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_of_authorities_that_cannot_be_read_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    assert problems(tmp_path, hosts=("crl.example",), fetch_ca="ca.pem").startswith("trust.fetch_ca: ")


def test_a_keeper_has_its_cache_beside_the_configuration_and_ends_without_having_begun(tmp_path):
    keeper = revocation.keeper(
        settings(tmp_path, revocation="require", hosts=("crl.example",)), lambda: TrustSnapshot(revocation="require")
    )
    assert keeper is not None
    assert (tmp_path / "trust-cache").is_dir()
    keeper.stop()


def test_times_must_be_more_than_nothing(tmp_path):
    for key in ("freshness", "fetch_deadline", "recheck", "unresolved"):
        with pytest.raises(ValueError, match=key):
            settings(tmp_path, **{key: timedelta(0)})
