"""Settings: one file, the environment over it, every problem at once and with its path."""

from __future__ import annotations

import pytest

from broker.errors import ConfigError
from config.settings import load, load_sound

GOOD = """
[seal]
kind = "pkcs12"
file = "seal.p12"

[offices.town]
kind = "directory"
folder = "out"
in_flight = 3
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        file = tmp_path / "goniec.toml"
        file.write_text(text)
        return file

    return write


def test_what_belongs_to_a_kind_is_kept_for_the_kind(written):
    settings = load(written(GOOD))
    office = settings.offices["town"]
    assert (office.kind, office.in_flight, office.own()) == ("directory", 3, {"folder": "out"})


def test_relative_paths_begin_at_the_file(written, tmp_path):
    settings = load(written(GOOD))
    assert settings.path(settings.routing.boxes) == tmp_path / "boxes.csv"


def test_the_environment_wins_over_the_file(written, monkeypatch):
    monkeypatch.setenv("GONIEC_ENVIRONMENT", "production")
    monkeypatch.setenv("GONIEC_DELIVERY__THREADS", "3")
    settings = load(written('environment = "test"\n' + GOOD + "\n[delivery]\ncrashes = 9\n"))
    assert (settings.environment, settings.delivery.threads, settings.delivery.crashes) == ("production", 3, 9)


def test_every_problem_is_told_at_once_with_its_path_and_without_its_value(written):
    text = 'environment = "hunter2"\nsurprise = 1\n' + GOOD + "[delivery]\nthreads = 0\n"
    with pytest.raises(ConfigError) as wrong:
        load(written(text))
    told = "\n".join(wrong.value.problems)
    assert len(wrong.value.problems) == 3
    for path in ("environment:", "surprise:", "delivery.threads:"):
        assert path in told
    assert "hunter2" not in told


@pytest.mark.parametrize("text", ["[seal", "\udcff"])
def test_a_file_that_is_not_toml_is_a_problem_and_not_a_crash(written, tmp_path, text):
    file = tmp_path / "goniec.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError):
        load(file)


def test_a_missing_file_is_a_problem(tmp_path):
    with pytest.raises(ConfigError, match=r"goniec\.toml"):
        load(tmp_path / "goniec.toml")


def test_a_misspelt_and_a_forgotten_setting_are_named_in_plain_words(written):
    text = '[seal]\nfile = "seal.p12"\n[offices.town]\nkind = "directory"\nin_fligt = 3\n[delivery]\ntreads = 1\n'
    with pytest.raises(ConfigError) as wrong:
        load(written(text))
    assert set(wrong.value.problems) == {"seal.kind: must be given", "delivery.treads: there is no such setting"}


def test_where_there_is_no_configuration_it_is_said_how_to_name_one(tmp_path):
    with pytest.raises(ConfigError, match="--config or GONIEC_CONFIG"):
        load(tmp_path / "goniec.toml")


@pytest.mark.parametrize("listen", ["127.0.0.1:65532", "127.0.0.1:0"])
def test_the_last_workers_port_for_monitoring_may_be_the_last_there_is(written, listen):
    assert load(written(f'workers = 4\n{GOOD}[ops]\nlisten = "{listen}"\n')).ops.listen == listen


def test_workers_for_which_there_are_not_ports_enough_are_a_problem_that_says_which_they_take(written):
    text = GOOD + '[ops]\nlisten = "127.0.0.1:65533"\n'
    with pytest.raises(ConfigError) as wrong:
        load(written("workers = 4\n" + text))
    (told,) = wrong.value.problems
    assert told == "ops: listen: 4 workers take the ports from 65533 to 65536, but there is none above 65535"
    assert load_sound(written("workers = 4\n" + text))[1] == [told]
    with pytest.raises(ConfigError, match=r"^workers: [^;]+$"):
        load(written("workers = 0\n" + text))


@pytest.mark.parametrize("workers", [65_536, 10**30])
def test_more_workers_than_ports_are_a_problem_and_not_an_overflow(written, workers):
    with pytest.raises(ConfigError, match="ops: listen"):
        load(written(f'workers = {workers}\n{GOOD}[ops]\nlisten = "127.0.0.1:1"\n'))
