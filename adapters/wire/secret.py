"""Secrets: where settings say they lie, and how they are read and shown.

A secret never stands in the configuration: settings name a file (`SecretFile`) or an environment variable that
holds it.  What is read is a pydantic `SecretStr`, which shows asterisks wherever it is printed; whoever needs the
value itself asks for it by `get_secret_value()` at the very place of use.  An error names the setting and the file,
and never holds what was read, not even in its cause.

Settings mark every file of this sort, private keys too, as a `SecretFile`: `goniec check` finds them by that type,
in integrators' kinds as well, and tells which of them others can read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PosixPath
from typing import Annotated, Any, Final

import structlog
from pydantic import GetCoreSchemaHandler, PlainSerializer, PlainValidator, SecretStr, model_validator
from pydantic_core import CoreSchema, core_schema

from adapters.wire.kind import KindSettings
from broker.errors import ConfigError

log = structlog.get_logger(__name__)

_VARIABLE: Final = "env:"


class SecretFile(PosixPath):
    """The path of a file that only the broker may read: it holds a password or a private key."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take what a Path takes."""
        return core_schema.no_info_after_validator_function(
            cls, handler.generate_schema(Path), serialization=core_schema.to_string_ser_schema()
        )


class SecretVariable(str):
    """The name of an environment variable that holds a secret."""

    __slots__ = ()


def _source(written: object) -> SecretFile | SecretVariable:
    if isinstance(written, SecretFile | SecretVariable):
        return written
    if not isinstance(written, str) or not written.removeprefix(_VARIABLE):
        raise ValueError(f"must be a file's path, or {_VARIABLE}NAME")
    if written.startswith(_VARIABLE):
        return SecretVariable(written.removeprefix(_VARIABLE))
    return SecretFile(written)


def _written(source: SecretFile | SecretVariable) -> str:
    return f"{_VARIABLE}{source}" if isinstance(source, SecretVariable) else str(source)


SecretSource = Annotated[SecretFile | SecretVariable, PlainValidator(_source), PlainSerializer(_written)]
"""For settings that name several secrets in a list: a file, or `env:NAME` for an environment variable."""


class WithPassword(KindSettings):
    """Settings of a kind that needs a password, from one of two places."""

    password_file: SecretFile | None = None  # its first line
    password_variable: str = ""  # a variable of the environment

    @model_validator(mode="after")
    def _one_place(self) -> WithPassword:
        exclusive(self.password_file, self.password_variable, name="password")
        return self

    def password(self, folder: Path) -> SecretStr | None:
        """Return the password, None if none is configured; raise ConfigError."""
        return secret(folder, self.password_file, self.password_variable, name="password")


def exclusive(file: SecretFile | None, variable: str, *, name: str) -> None:
    """Raise ValueError, for a validator of settings, if `<name>_file` and `<name>_variable` are both given."""
    if file is not None and variable:
        raise ValueError(f"{name}_file or {name}_variable, not both")


def secret(folder: Path, file: SecretFile | None, variable: str, *, name: str) -> SecretStr | None:
    """Return what `<name>_file` or else `<name>_variable` leads to, None if neither is given; raise ConfigError."""
    if file is not None:
        return read(folder, file, setting=f"{name}_file")
    return read(folder, SecretVariable(variable), setting=f"{name}_variable") if variable else None


def read(folder: Path, source: SecretFile | SecretVariable, *, setting: str) -> SecretStr:
    """Return a file's first line (a relative path begins at `folder`), or a variable's value; raise ConfigError."""
    if isinstance(source, SecretVariable):
        if source not in os.environ:
            raise ConfigError([f"{setting}: {source} is not set in the environment"])
        return _told(os.fsencode(os.environ[source]), f"{setting}: {source}")
    path = folder / source.expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{setting}: {path}: {error.strerror}"]) from error
    return _told(content.partition(b"\n")[0].removesuffix(b"\r"), f"{setting}: {path}")


def insist_on_secrecy(exposed: Sequence[str], environment: str) -> None:
    """Raise ConfigError in production if a secret that is to be used lies open, elsewhere say so in the log."""
    if exposed and environment == "production":
        raise ConfigError(exposed)
    for problem in exposed:
        log.warning("serve.secret-exposed", problem=problem)


def _told(octets: bytes, where: str) -> SecretStr:
    if not octets:
        raise ConfigError([f"{where} holds nothing"])
    text = _text(octets)
    if text is None:
        raise ConfigError([f"{where} is not UTF-8"])
    return SecretStr(text)


def _text(octets: bytes) -> str | None:
    """Decode; the foreign error, which keeps what it was given, ends here and becomes nobody's cause."""
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
