"""Files of keys and passwords that others can read are found, wherever settings name them, and so are passwords
that stand in the configuration."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters import channels, offices, seals, stores
from adapters.testkit.pki import Pki
from adapters.wire.secret import SecretFile, insist_on_secrecy
from config import settings
from config.exposure import exposed, open_files, written_passwords
from tests.commands import answer, run

EXAMPLE = Path(settings.__file__).parent / "example"
PKI = Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256")
ENDS = "\n[offices]\n"

# Each of the ways in which settings can name a secret file: what stands in the TOML file, and what is told of it.
NAMED = {
    "seal.password_file": ('# password_file = "seal.password"', 'password_file = "it"'),
    "store.encryption_keys.1": ("# encryption_keys = []", 'encryption_keys = ["env:KEY", "it"]'),
    "store.password_file": ('# password_file = "postgresql.password"', 'password_file = "it"'),
    "channels.queue.password_file": (
        ENDS,
        '\n[channels.queue]\nkind = "amqp"\nurl = "amqp://u@h/"\npassword_file = "it"\n[offices]\n',
    ),
    "channels.queue.key": (ENDS, '\n[channels.queue]\nkind = "amqp"\nurl = "amqps://h/"\nkey = "it"\n[offices]\n'),
    "offices.x.client_key": (
        ENDS,
        f'{ENDS}x = {{ kind = "soap", url = "https://h/", client_certificate = "c", client_key = "it" }}\n',
    ),
    "offices.x.password_file": (
        ENDS,
        f'{ENDS}x = {{ kind = "soap", url = "https://h/", user = "u", password_file = "it" }}\n',
    ),
    "offices.y.key": (ENDS, f'{ENDS}y = {{ kind = "amqp", url = "amqps://h/", routing_key = "r", key = "it" }}\n'),
}
WRITTEN = (
    ENDS,
    '\n[channels.queue]\nkind = "amqp"\nurl = "amqp://u:hunter2@127.0.0.1/"\nproof = ["amqp-user"]\n[offices]\n',
)
PRODUCTION = ('# environment = "test"', 'environment = "production"')
INTEGRATORS = """
from pathlib import Path

from adapters.wire.kind import Kind, KindSettings
from adapters.wire.secret import SecretFile

class Deep(KindSettings):
    ring: tuple[SecretFile, ...] = ()

class Settings(KindSettings):
    by_name: dict[str, Deep] = {}
    plain: Path | None = None

KIND = Kind(settings=Settings, make=lambda settings, around: None)
"""


@pytest.fixture
def place(tmp_path):
    """The example configuration with keys of its own, and a secret file `it`."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    PKI.write(tmp_path / "pki")
    (tmp_path / "it").write_text("ab" * 32)
    (tmp_path / "it").chmod(0o600)
    return tmp_path


def edited(place, *changes):
    file = place / "goniec.toml"
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text, encoding="utf-8")
    return file


def test_what_goniec_pki_makes_is_its_owners_alone(place):
    assert open_files(settings.load(place / "goniec.toml")) == []
    run("pki", "dev", "--folder", place / "made")
    secret = [file for file in (place / "made").iterdir() if b"PRIVATE KEY" in file.read_bytes()]
    assert len(secret) > 3
    assert {file.stat().st_mode & 0o777 for file in secret} == {0o600}


@pytest.mark.parametrize("name", NAMED)
def test_every_setting_that_names_a_secret_file_is_looked_at(place, name):
    loaded = settings.load(edited(place, NAMED[name]))
    assert open_files(loaded) == []
    (place / "it").chmod(0o640)
    assert open_files(loaded) == [f"{name}: {place / 'it'} is secret, and not its owner's alone (mode 0640): chmod 600"]


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o610, 0o666])
def test_a_file_that_others_can_do_anything_with_is_told(place, mode):
    loaded = settings.load(edited(place, NAMED["seal.password_file"]))
    (place / "it").chmod(mode)
    assert len(open_files(loaded)) == 1


def test_a_folder_in_which_others_may_replace_it_is_told_unless_it_is_sticky(place):
    loaded = settings.load(edited(place, NAMED["seal.password_file"]))
    place.chmod(0o770)
    told = open_files(loaded)
    assert any("put another in its place" in problem and "(mode 0770)" in problem for problem in told)
    assert any("seal.bundle.pem" in problem for problem in told)
    place.chmod(0o1777)
    assert open_files(loaded) == []


def test_a_private_key_is_secret_whatever_the_setting_is_called(place):
    (place / "pki" / "seal.bundle.pem").chmod(0o644)
    (place / "pki" / "local-ca.pem").chmod(0o644)
    told = open_files(settings.load(place / "goniec.toml"))
    assert [problem.partition(":")[0] for problem in told] == ["seal.file"]


def test_a_link_is_judged_by_what_it_leads_to(place):
    loaded = settings.load(edited(place, NAMED["seal.password_file"]))
    (place / "elsewhere").mkdir()
    (place / "it").rename(place / "elsewhere" / "it")
    (place / "it").symlink_to(place / "elsewhere" / "it")
    assert open_files(loaded) == []
    (place / "elsewhere").chmod(0o777)
    (told,) = open_files(loaded)
    assert str(place / "elsewhere") in told


def test_a_link_that_others_can_lead_elsewhere_is_told_though_its_file_is_safe(place):
    loaded = settings.load(edited(place, ('# password_file = "seal.password"', 'password_file = "open/it"')))
    (place / "open").mkdir()
    (place / "open" / "it").symlink_to(place / "it")
    assert open_files(loaded) == []
    (place / "open").chmod(0o777)
    (told,) = open_files(loaded)
    assert told.startswith(f"seal.password_file: {place / 'open' / 'it'} is secret, and others may put another in")
    assert f"{place / 'open'} is theirs to write (mode 0777)" in told


def test_every_link_on_the_way_is_followed_also_one_of_a_folder(place):
    loaded = settings.load(edited(place, ('# password_file = "seal.password"', 'password_file = "first/it"')))
    for name in ("first", "middle", "last"):
        (place / name).mkdir()
    (place / "it").rename(place / "last" / "it")
    (place / "middle" / "on").symlink_to("../last")
    (place / "first" / "it").symlink_to("../middle/on/it")
    assert open_files(loaded) == []
    for name in ("first", "middle", "last"):
        (place / name).chmod(0o775)
        (told,) = open_files(loaded)
        assert f"{name} is theirs to write (mode 0775)" in told
        (place / name).chmod(0o755)


def test_a_link_that_leads_in_a_circle_is_told_by_who_needs_the_file(place):
    loaded = settings.load(edited(place, NAMED["seal.password_file"]))
    (place / "it").unlink()
    (place / "it").symlink_to("it")
    assert open_files(loaded) == []


def test_a_secret_file_of_another_account_is_told_whoever_runs_the_broker(place):
    loaded = settings.load(edited(place, NAMED["seal.password_file"]))
    who, stranger = os.geteuid(), os.geteuid() + 7
    if who == 0:  # root alone may give a file away; anybody else is taken for another
        os.chown(place / "it", stranger, -1)
        told = open_files(loaded)
    else:
        told = open_files(loaded, who=stranger)
    (line,) = [one for one in told if one.startswith(f"seal.password_file: {place / 'it'} is secret, and belongs to")]
    assert f"uid {stranger if who == 0 else who}" in line


def test_what_leads_to_a_secret_file_must_not_be_another_accounts_either(place):
    """The owner of a folder or of a link puts what he likes in the place of what it leads to."""
    loaded = settings.load(edited(place, ('# password_file = "seal.password"', 'password_file = "theirs/it"')))
    (place / "theirs").mkdir()
    (place / "theirs" / "it").symlink_to(place / "it")
    who, stranger = os.geteuid(), os.geteuid() + 7
    if who == 0:
        for one in ("theirs", "theirs/it"):
            os.chown(place / one, stranger, -1, follow_symlinks=False)
    told = [one for one in open_files(loaded, who=who if who == 0 else stranger) if "put another in its place" in one]
    owner = stranger if who == 0 else who
    for one in ("theirs", "theirs/it"):
        assert any(f"{place / one} is theirs (uid {owner})" in line for line in told)


def test_what_is_roots_is_nobody_elses(place):
    """A broker under an account of its own may have its keys from root."""
    loaded = settings.load(edited(place, NAMED["seal.password_file"]))
    if os.geteuid() == 0:
        assert open_files(loaded, who=4_711) == []
    assert open_files(loaded, who=os.geteuid()) == []


def test_a_folder_in_the_place_of_a_secret_file_is_told_as_one(place):
    folder = place / "pki"
    folder.chmod(0o755)
    file = edited(place, ('file = "pki/seal.bundle.pem"', 'file = "pki"'))
    told = open_files(settings.load(file))
    assert f"seal.file: {folder} is a folder: name the file" in told
    assert not any("chmod" in one for one in told)


def test_a_file_that_is_not_there_is_told_by_who_needs_it(place):
    loaded = settings.load(edited(place, NAMED["seal.password_file"]))
    (place / "it").unlink()
    assert open_files(loaded) == []


def test_the_kind_of_an_integrator_is_covered_by_its_types(place, monkeypatch):
    (place / "pigeons.py").write_text(INTEGRATORS)
    about = place / "pigeons-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeons\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[goniec.offices]\npigeon = pigeons:KIND\n")
    monkeypatch.syspath_prepend(place)
    importlib.invalidate_caches()
    one = '{ kind = "pigeon", plain = "boxes.csv", by_name = { a = { ring = ["other", "it"] } } }'
    loaded = settings.load(edited(place, (ENDS, f"{ENDS}z = {one}\n")))
    try:
        assert open_files(loaded) == []
        (place / "it").chmod(0o644)
        (place / "boxes.csv").chmod(0o644)
        assert [problem.partition(":")[0] for problem in open_files(loaded)] == ["offices.z.by_name.a.ring.1"]
    finally:
        sys.modules.pop("pigeons", None)


# ── passwords in the configuration ──


@pytest.mark.parametrize(
    "url", ["amqp://u:hunter2@127.0.0.1/", "postgresql://u:hunter2@h1,h2/db", "postgresql://u@h/db?password=hunter2"]
)
def test_a_password_in_the_configuration_is_told_and_not_quoted(place, url):
    told = written_passwords(
        settings.load(edited(place, (ENDS, f'\n[channels.queue]\nkind = "amqp"\nurl = "{url}"\n[offices]\n')))
    )
    assert [problem.partition(":")[0] for problem in told] == ["channels.queue.url"]
    assert "hunter2" not in told[0]


def test_a_password_in_the_environment_is_where_it_belongs(place, monkeypatch):
    monkeypatch.setenv("GONIEC_STORE__URL", "postgresql://u:hunter2@h/db")
    loaded = settings.load(place / "goniec.toml")
    assert loaded.store.own()["url"] == "postgresql://u:hunter2@h/db"
    assert written_passwords(loaded) == []


def test_a_configuration_with_a_password_in_it_is_a_secret_file_itself(place):
    file = edited(place, WRITTEN)
    file.chmod(0o600)
    assert open_files(settings.load(file)) == []
    file.chmod(0o644)
    (told,) = open_files(settings.load(file))
    assert told == f"channels.queue.url: {file} is secret, and not its owner's alone (mode 0644): chmod 600"
    edited(place, ("u:hunter2@", "u@"))
    assert open_files(settings.load(file)) == []


# ── check and serve ──


def test_check_warns_in_test_and_refuses_in_production(place):
    (place / "pki" / "seal.bundle.pem").chmod(0o644)
    file = place / "goniec.toml"
    told = answer("check", "-c", file)
    assert [problem.partition(":")[0] for problem in told["warnings"]] == ["seal.file"]
    edited(place, PRODUCTION)
    told = answer("check", "-c", file, status=1)
    assert [problem.partition(":")[0] for problem in told["problems"]] == ["seal.file"]


def test_a_password_in_the_configuration_is_a_warning_in_test_and_a_problem_in_production(place):
    file = edited(place, WRITTEN)
    file.chmod(0o600)
    told = answer("check", "-c", file)
    assert [warning.partition(":")[0] for warning in told["warnings"]].count("channels.queue.url") == 1
    told = answer("check", "-c", edited(place, PRODUCTION), status=1)
    assert [problem.partition(":")[0] for problem in told["problems"]] == ["channels.queue.url"]
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broker_in_production_does_not_start_with_a_password_in_its_configuration(place, workers):
    file = edited(place, WRITTEN, PRODUCTION, ("# workers = 1", f"workers = {workers}"))
    file.chmod(0o600)
    serve = [sys.executable, "-m", "config.cli", "serve", "-c", file]
    done = subprocess.run(serve, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "channels.queue.url: holds a password" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert not (place / "goniec.sqlite").exists()


def test_a_broker_in_production_does_not_start_with_a_key_that_others_can_read(place):
    (place / "pki" / "seal.bundle.pem").chmod(0o644)
    file = edited(place, PRODUCTION)
    serve = [sys.executable, "-m", "config.cli", "serve", "-c", file]
    done = subprocess.run(serve, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "seal.file: " in done.stderr
    assert "chmod 600" in done.stderr
    assert not (place / "goniec.sqlite").exists()


def test_a_broker_in_test_says_so_in_its_log(place):
    (place / "pki" / "seal.bundle.pem").chmod(0o644)
    file = edited(place, WRITTEN)
    file.chmod(0o600)
    with capture_logs() as told:
        insist_on_secrecy(exposed(settings.load(file)), "test")
    lines = [(line["event"], line["log_level"], line["problem"].partition(": ")[0]) for line in told]
    assert lines == [
        ("serve.secret-exposed", "warning", "seal.file"),
        ("serve.secret-exposed", "warning", "channels.queue.url"),
    ]
    assert "seal.bundle.pem" in told[0]["problem"]
    assert "hunter2" not in str(told)


def test_no_kind_of_ours_names_a_secret_file_by_a_plain_path():
    found = set()
    for kinds in (channels.KINDS, offices.KINDS, seals.KINDS, stores.KINDS):
        for kind in kinds.values():
            for name, field in kind.settings.model_fields.items():
                if name.rpartition("_")[2] == "key" or name.endswith(("password_file", "pin_file")):
                    assert "pathlib" not in repr(field.annotation), name
                    found |= {name} if SecretFile.__name__ in repr(field.annotation) else set()
    assert {"key", "client_key", "password_file"} <= found
