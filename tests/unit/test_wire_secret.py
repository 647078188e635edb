"""A secret comes from a file or the environment, and is shown nowhere: not in settings, not in errors."""

from __future__ import annotations

import traceback

import pytest
from pydantic import BaseModel, ValidationError

from adapters.wire.secret import SecretFile, SecretSource, SecretVariable, WithPassword, read
from broker.errors import ConfigError

PLANTED = "żółć-Passw0rd"


class Many(BaseModel):
    keys: tuple[SecretSource, ...]
    key: SecretFile | None = None


@pytest.mark.parametrize(
    "content", [PLANTED, f"{PLANTED}\n", f"{PLANTED}\r\n", f"{PLANTED}\nsecond line\n", f"\ufeff{PLANTED}\n"]
)
def test_a_password_is_the_first_line_of_its_file_without_its_end(tmp_path, content):
    (tmp_path / "it").write_text(content, encoding="utf-8", newline="")
    password = WithPassword(password_file="it").password(tmp_path)
    assert password.get_secret_value() == PLANTED


def test_spaces_belong_to_a_password(tmp_path):
    (tmp_path / "it").write_text("  a b \n")
    assert WithPassword(password_file="it").password(tmp_path).get_secret_value() == "  a b "


def test_a_password_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED", PLANTED)
    assert WithPassword(password_variable="PLANTED").password(tmp_path).get_secret_value() == PLANTED
    assert WithPassword().password(tmp_path) is None


def test_a_password_comes_from_one_place_only():
    with pytest.raises(ValidationError, match="not both"):
        WithPassword(password_file="a", password_variable="B")


def test_a_path_stays_marked_as_that_of_a_secret(tmp_path):
    settings = Many(keys=["keys/1", "env:NAME"], key=tmp_path / "own")
    assert [type(one) for one in settings.keys] == [SecretFile, SecretVariable]
    assert isinstance(settings.key, SecretFile)
    assert Many(**settings.model_dump()) == settings
    assert Many.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("wrong", ["", "env:", 3, None])
def test_a_source_names_a_file_or_a_variable(wrong):
    with pytest.raises(ValidationError, match=r"path, or env:NAME"):
        Many(keys=[wrong])


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\nsecond"])
def test_a_file_that_holds_nothing_is_told_by_its_name(tmp_path, content):
    (tmp_path / "it").write_bytes(content)
    with pytest.raises(ConfigError, match=r"password_file: .*it holds nothing"):
        WithPassword(password_file="it").password(tmp_path)


def test_what_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("PLANTED", raising=False)
    with pytest.raises(ConfigError, match=r"password_file: .*none: No such file"):
        WithPassword(password_file="none").password(tmp_path)
    with pytest.raises(ConfigError, match="password_variable: PLANTED is not set"):
        WithPassword(password_variable="PLANTED").password(tmp_path)


def test_no_error_holds_what_was_read(tmp_path, monkeypatch):
    octets = PLANTED.encode() + b"\xff"
    (tmp_path / "it").write_bytes(octets)
    monkeypatch.setenv("PLANTED", octets.decode(errors="surrogateescape"))
    for source in (SecretFile("it"), SecretVariable("PLANTED")):
        with pytest.raises(ConfigError, match="is not UTF-8") as wrong:
            read(tmp_path, source, setting="password")
        assert wrong.value.__cause__ is wrong.value.__context__ is None
        assert "Passw0rd" not in "".join(traceback.format_exception(wrong.value))


def test_what_was_read_is_shown_as_asterisks(tmp_path):
    (tmp_path / "it").write_text(PLANTED, encoding="utf-8")
    password = WithPassword(password_file="it").password(tmp_path)

    class Holder(BaseModel):
        it: object

    for shown in (repr(password), str(password), f"{password}", repr(Holder(it=password)), str([password])):
        assert PLANTED not in shown
        assert "**" in shown
