"""Content at rest: documents and reports encrypted with AES-256-GCM, if there are keys, and read back either way.

What is stored begins with a mark, a version and the key's id; a fresh 96-bit nonce follows, then the ciphertext with
its tag.  Bound to it (as associated data) are the submission, the kind of content and the key's id, so that nobody
who can write to the database can put one content in another's place.  The first key writes and all of them read, so
that a key is changed by putting a new one before it.  Content without the mark was written before there was a key.

A nonce is chosen at random: by NIST SP 800-38D §8.3 a key is good for 2³² contents.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from broker.errors import ConfigError, Unavailable

_MARK: Final = b"\x00GONIEC"
_PLAIN, _AES_256_GCM = b"\x00", b"\x01"  # versions
_ID, _NONCE, _TAG, _KEY = 8, 12, 16, 32  # octets
_HEAD: Final = len(_MARK) + 1
_KNOWN: Final = b"known answer"
HOW_TO_MAKE_ONE: Final = "32 octets as Base64 or hexadecimal, as `openssl rand -base64 32` makes them"


class Content(StrEnum):
    """What is encrypted."""

    DOCUMENT = "document"
    REPORT = "report"
    LATER_REPORT = "later-report"
    PROOF = "proof"  # the known text by which a key is tried


@dataclass(frozen=True, slots=True)
class ContentKey:
    """A key, and the name that is told of it: a digest, so that no two keys can be taken for one another."""

    cipher: AESGCM = field(repr=False)
    id: bytes

    @classmethod
    def of(cls, written: SecretStr, setting: str) -> ContentKey:
        """Read a key as it stands in its file; raise ConfigError, which quotes nothing of it."""
        octets = _octets(written.get_secret_value().strip())
        if len(octets) != _KEY:
            raise ConfigError([f"{setting}: must be {HOW_TO_MAKE_ONE}"])
        name = hmac.digest(octets, b"goniec content key", hashlib.sha256)[:_ID]
        return cls(AESGCM(octets), name)


def _octets(written: str) -> bytes:
    """Decode; nothing if it cannot be, and no foreign error, which would keep what it was given."""
    try:
        return bytes.fromhex(written) if len(written) == 2 * _KEY else base64.b64decode(written, validate=True)
    except (ValueError, binascii.Error):
        return b""


class AtRest:
    """Writes and reads content under some keys, the first of which writes; without keys, content stays as it is."""

    def __init__(self, keys: Sequence[ContentKey] = ()) -> None:
        self._first = keys[0] if keys else None
        self._keys: Mapping[bytes, ContentKey] = {key.id: key for key in keys}

    @property
    def key(self) -> str:
        """The id of the key that writes, "" if there is none."""
        return self._first.id.hex() if self._first else ""

    def stored(self, submission: str, kind: Content, content: bytes) -> bytes:
        """Return what is written into the store."""
        if self._first is None:
            return _MARK + _PLAIN + content if content.startswith(_MARK) else content
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._first.cipher.encrypt(nonce, content, _bound(submission, kind, self._first.id))
        return b"".join((_MARK, _AES_256_GCM, self._first.id, nonce, sealed))

    def content(self, submission: str, kind: Content, stored: bytes) -> bytes:
        """Return what was given to `stored`; raise Unavailable if its key is not there or it was tampered with."""
        if not stored.startswith(_MARK):
            return stored
        version, rest = stored[len(_MARK) : _HEAD], memoryview(stored)[_HEAD:]
        if version == _PLAIN:
            return bytes(rest)
        name, nonce, sealed = bytes(rest[:_ID]), rest[_ID : _ID + _NONCE], rest[_ID + _NONCE :]
        key = self._keys.get(name)
        if version != _AES_256_GCM or len(sealed) < _TAG:
            raise Unavailable("store: content is in a form that this version does not read")
        if key is None:
            raise Unavailable(f"store: content lies under the key {name.hex()}, which is not configured")
        try:
            return key.cipher.decrypt(nonce, sealed, _bound(submission, kind, name))
        except InvalidTag as error:
            raise Unavailable("store: content was changed or put in another's place") from error

    def known_answer(self) -> bytes:
        """Return the known text under the key that writes."""
        return self.stored("", Content.PROOF, _KNOWN)

    def opens(self, key: str, known_answer: bytes) -> bool:
        """Tell whether content that was written under the key of this id can be read."""
        try:
            return bytes.fromhex(key) in self._keys and self.content("", Content.PROOF, known_answer) == _KNOWN
        except Unavailable:
            return False


def key_of(beginning: bytes) -> str:
    """Return the id of the key under which content lies, by its first octets; "" for content in clear."""
    if not beginning.startswith(_MARK + _AES_256_GCM):
        return ""
    return beginning[_HEAD : _HEAD + _ID].hex()


BEGINNING: Final = _HEAD + _ID  # octets that `key_of` looks at


def _bound(submission: str, kind: Content, key: bytes) -> bytes:
    """Return the associated data; each part with its length, so that parts cannot run together."""
    parts = submission.encode("utf-8", "surrogatepass"), kind.encode(), key
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
