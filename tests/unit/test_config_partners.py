"""Partners are those of the configuration as it is now, also for who was told of it long ago."""

from __future__ import annotations

import pytest

from broker.errors import ConfigError
from config.partners import partners
from config.settings import load

SEAL = "[seal]\nkind = 'pem'\nfile = 'seal.pem'\n"


def written(folder, *names, more=""):
    file = folder / "goniec.toml"
    file.write_text(SEAL + "".join(f"[partners.{name}]\nusers = ['{name}']\n" for name in names) + more)
    return file


def known(snapshot):
    return sorted(snapshot().all)


def test_a_worker_that_is_born_again_lets_nobody_in_who_was_taken_out_since_its_supervisor_read_the_file(tmp_path):
    settings = load(written(tmp_path, "portal", "town"))
    written(tmp_path, "portal")
    assert known(partners(settings)) == ["portal"]


@pytest.mark.parametrize(
    "wrong", ["[partners", "[partners.village]\ncolour = 'red'\n", "[partners.village]\ncertificates = ['none.crt']\n"]
)
def test_while_the_file_is_wrong_it_goes_by_what_its_supervisor_read_and_says_so(tmp_path, capsys, wrong):
    settings = load(written(tmp_path, "portal", "town"))
    written(tmp_path, "portal", more=wrong)
    snapshot = partners(settings)
    assert (known(snapshot), capsys.readouterr().out) == (["portal", "town"], "")
    snapshot.refresh()
    assert "snapshot.kept-old" in capsys.readouterr().out
    written(tmp_path, "portal")
    snapshot.refresh()
    assert known(snapshot) == ["portal"]


def test_what_was_wrong_from_the_start_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.crt"):
        partners(load(written(tmp_path, more="[partners.village]\ncertificates = ['none.crt']\n")))
