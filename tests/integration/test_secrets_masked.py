"""Secrets are planted wherever a configuration can hold or name one; nothing that the product says shows any."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError

from adapters import channels, offices, seals, stores
from adapters.testkit.pki import Pki
from broker.errors import BrokerError, ConfigError
from config import bootstrap, kinds, settings
from tests.commands import run

EXAMPLE = Path(settings.__file__).parent / "example"
PKI = Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256")
PLANTED = "Tajne"  # all of them begin so
KEY = "7a6a6e65" * 8
HELD_BY_FILES = {"seal": "Tajne-seal", "rabbit": "Tajne-rabbit", "dms": "Tajne-dms", "key": KEY}
CONFIGURATION = """
[store]
kind = "sql"
url = "postgresql://goniec:Tajne-url@127.0.0.1:1/none?password=Tajne-query"
encryption_keys = ["key", "env:PLANTED_KEY"]

[seal]
kind = "pem"
file = "seal.pem"
password_file = "seal"

[channels.queue]
kind = "amqp"
url = "amqp://goniec:Tajne-amqp@127.0.0.1:1/"

[channels.other]
kind = "amqp"
url = "amqp://goniec@127.0.0.1:1/"
password_file = "rabbit"

[offices]
soap-one = { kind = "soap", url = "http://127.0.0.1:1/", user = "goniec", password_file = "dms" }
soap-two = { kind = "soap", url = "http://127.0.0.1:1/", user = "goniec", password_variable = "PLANTED_PASSWORD" }
amqp-one = { kind = "amqp", url = "amqp://goniec:Tajne-amqp@127.0.0.1:1/", routing_key = "dms" }
"""
# What an operator may get wrong, with a secret right beside the mistake.
MISTAKES = {
    "a password as a setting": ("[seal]\n", '[seal]\npassword = "Tajne-setting"\n'),
    "an address that cannot be read": (
        "amqp://goniec:Tajne-amqp@127.0.0.1:1/",
        "amqp://goniec:Tajne-amqp/x@127.0.0.1:Tajne/",
    ),
    "an address of another sort": ("amqp://goniec:Tajne-amqp@127.0.0.1:1/", "http://goniec:Tajne-amqp@127.0.0.1:1/"),
    "a store's address that cannot be read": ("postgresql://goniec:Tajne-url", "postgresql:/goniec:Tajne-url"),
    "a store of another sort": ("postgresql://goniec:Tajne-url", "mysql://goniec:Tajne-url"),
    "a user name in the office's address": (
        'url = "http://127.0.0.1:1/", user',
        'url = "http://goniec:Tajne@127.0.0.1:1/", user',
    ),
    "a secret for a number": ("[channels.queue]\n", '[channels.queue]\nworkers = "Tajne-number"\n'),
    "a secret for a list": ('encryption_keys = ["key", "env:PLANTED_KEY"]', 'encryption_keys = "Tajne-list"'),
    "two passwords": ("goniec@127.0.0.1:1", "goniec:Tajne-second@127.0.0.1:1"),
    "a wrong password": ('password_file = "seal"', 'password_file = "dms"'),
    "a key that is none": ('["key"', '["dms"'),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    PKI.write(tmp_path / "pki")
    locked = serialization.BestAvailableEncryption(HELD_BY_FILES["seal"].encode())
    key = PKI.seal.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    (tmp_path / "seal.pem").write_bytes(key + PKI.seal.bundle[PKI.seal.bundle.index(b"-----BEGIN CERT") :])
    for name, secret in HELD_BY_FILES.items():
        (tmp_path / name).write_text(secret + "\n")
    for file in ("seal.pem", *HELD_BY_FILES):
        (tmp_path / file).chmod(0o600)
    monkeypatch.setenv("PLANTED_KEY", "ab" * 32)
    monkeypatch.setenv("PLANTED_PASSWORD", "Tajne-variable")
    (tmp_path / "boxes.csv").write_text("box;office;name\n/a/b;soap-one;One\n/a/c;soap-two;Two\n/a/d;amqp-one;Three\n")
    (tmp_path / "routing.csv").write_text("by;key;box\n")
    (tmp_path / "goniec.toml").write_text(CONFIGURATION)
    return tmp_path


def shows(said):
    return [word for word in (PLANTED, KEY[:16], "ab" * 8, "cG9uaWVj") if word in said]


def told(error):
    """An exception as a traceback shows it, and all that hangs on it."""
    everything = "".join(traceback.format_exception(error))
    while error is not None:
        everything += repr(error) + repr(error.args)
        error = error.__cause__ or error.__context__
    return everything


def test_the_settings_show_none(place):
    loaded = settings.load(place / "goniec.toml")
    own = [
        kinds.read(known, entry, "x")[1]
        for known, entry in (
            (seals.KINDS, loaded.seal),
            (stores.KINDS, loaded.store),
            *((channels.KINDS, entry) for entry in loaded.channels.values()),
            *((offices.KINDS, entry) for entry in loaded.offices.values()),
        )
    ]
    assert len(own) == 7
    for it in (loaded, *own):
        said = f"{it!r} {it} {it.model_dump_json()} {it.model_dump()}"
        assert shows(said) == []
        assert "goniec" in said or "kind" in said or "file" in said


def test_what_is_made_of_them_shows_none(place):
    made = bootstrap.parts(settings.load(place / "goniec.toml"))
    for it in (made, *made.channels.values(), *(make() for make in made.offices.values()), made.seal):
        assert shows(f"{it!r} {it}") == []


def test_check_tells_where_passwords_stand_and_not_which(place):
    done = run("check", "-c", place / "goniec.toml", "--json")
    assert shows(done.stdout + done.stderr) == []
    for setting in ("store.url", "channels.queue.url", "offices.amqp-one.url"):
        assert f'"{setting}: holds a password' in done.stdout
    assert "channels.other.url" not in done.stdout
    assert "could not be asked" in done.stdout  # the store is away, and its error knows the url


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_mistake_makes_a_secret_show(place, mistake):
    old, new = MISTAKES[mistake]
    assert old in CONFIGURATION
    (place / "goniec.toml").write_text(CONFIGURATION.replace(old, new, 1))
    done = run("check", "-c", place / "goniec.toml", "--json", status=1)
    assert shows(done.stdout + done.stderr) == []
    assert '"problems": []' not in done.stdout
    with pytest.raises((ConfigError, ValidationError)) as wrong:
        bootstrap.parts(settings.load(place / "goniec.toml"))
    assert shows(told(wrong.value)) == []


def test_a_store_out_of_reach_does_not_tell_its_password(place):
    store = bootstrap.open_store(settings.load(place / "goniec.toml"))
    with pytest.raises(BrokerError) as away:
        store.stats()
    store.close()
    assert shows(told(away.value)) == []
    assert shows(repr(store) + repr(vars(store))) == []


def test_a_broker_that_cannot_start_says_nothing_of_them(place):
    serve = [sys.executable, "-X", "faulthandler", "-m", "config.cli", "serve", "-c", place / "goniec.toml"]
    done = subprocess.run(serve, capture_output=True, text=True, timeout=60, env=os.environ, check=False)
    assert done.returncode == 2
    assert "store" in done.stderr
    assert shows(done.stdout + done.stderr) == []


def test_a_broker_at_work_says_nothing_of_them(place):
    """The queues are away, and it tries and tells."""
    text = CONFIGURATION.replace(
        "postgresql://goniec:Tajne-url@127.0.0.1:1/none?password=Tajne-query", "sqlite:///s.sqlite"
    )
    (place / "goniec.toml").write_text(f'{text}\n[log]\nlevel = "debug"\n')
    serve = [sys.executable, "-m", "config.cli", "serve", "-c", place / "goniec.toml"]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        said = ""
        while "channel.unavailable" not in said or said.count("channel.unavailable") < 2:
            line = process.stderr.readline()
            assert line, said
            said += line
        process.terminate()
        said += process.stderr.read()
    assert process.returncode == 0
    assert shows(said) == []


@pytest.mark.parametrize("wrong", [{"workers": "Tajne-number"}, {"password": "Tajne-word"}, {"url": ["Tajne-list"]}])
def test_the_error_of_a_kind_quotes_no_value_not_even_in_its_cause(wrong):
    entry = settings.OfKind(**{"kind": "amqp", "url": "amqp://127.0.0.1/"} | wrong)
    with pytest.raises(ConfigError, match=f"x.{next(iter(wrong))}") as no:
        kinds.read(channels.KINDS, entry, "x")
    assert isinstance(no.value.__cause__, ValidationError)
    assert shows(told(no.value)) == []
