"""A seal whose key lies in a PKCS#11 token: a smart card, an HSM, SoftHSM.

Receipts are canonicalised and digested here; the token is handed a digest and gives back the value.  Its certificate
lies in the token or in a file.  How threads share a token, and how one that went away comes back: `token.py`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Mechanism
from pydantic import Field, PositiveInt, field_validator, model_validator

from adapters.seals.certificate import above, of_pem, readable
from adapters.seals.certificate import public_key as key_of
from adapters.seals.token import Access, Key, Place, Token, Unfit, token
from adapters.seals.xades import XadesSeal
from adapters.wire.kind import Kind, KindSettings, SealInHand, SealLost, Surroundings
from adapters.wire.secret import SecretFile, exclusive, secret
from broker.errors import ConfigError
from broker.verify.algorithms import scheme
from broker.verify.signature_value import holds
from broker.verify.trust import PublicKey

# DigestInfo of SHA-256 up to the digest (RFC 8017 §9.2, note 1): CKM_RSA_PKCS pads what it is given, and every
# token has it; not every one digests.
_DIGEST_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")
_SCHEMES: Final = {
    True: scheme("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"),
    False: scheme("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"),
}
_PROBE: Final = b"Goniec: can this key seal?"


class Settings(KindSettings):
    """Which key of which token."""

    module: Path  # the vendor's library
    token: str = ""  # its label; or:
    slot: int | None = Field(default=None, ge=0)
    key: str = ""  # label of the private key; and, or:
    key_id: str = ""  # its CKA_ID, hexadecimal
    certificate: Path | None = None  # PEM, with those above it; by default from the token
    pin_file: SecretFile | None = None  # its first line; or:
    pin_variable: str = ""
    sessions: PositiveInt = 8  # open at the same time
    patience: float = Field(default=10, gt=0)  # seconds that a thread waits for a free one

    @field_validator("key_id")
    @classmethod
    def _hexadecimal(cls, value: str) -> str:
        try:
            return bytes.fromhex(value).hex()
        except ValueError:
            raise ValueError("must be hexadecimal, without 0x") from None

    @model_validator(mode="after")
    def _named(self) -> Settings:
        if bool(self.token) == (self.slot is not None):
            raise ValueError("name the token by its label (token) or by its slot, one of the two")
        if not self.key and not self.key_id:
            raise ValueError("name the key by its label (key), its id (key_id), or both")
        exclusive(self.pin_file, self.pin_variable, name="pin")
        return self


class TokenKey:
    """A key in a token."""

    def __init__(self, place: Place, access: Access, key: Key, public_key: PublicKey) -> None:
        self._place = place
        self._access = access
        self._key = key
        self.public_key = public_key

    def sign(self, octets: bytes) -> bytes:
        """Have the token sign the octets' digest, as `Signer` says."""
        digest = hashlib.sha256(octets).digest()
        if isinstance(self.public_key, rsa.RSAPublicKey):
            told, how = _DIGEST_INFO + digest, Mechanism.RSA_PKCS
        else:
            told, how = digest, Mechanism.ECDSA
        held = token(self._place, self._access)  # asked each time: in a forked child it is another
        return held.use(lambda session: bytes(session.key(self._key).sign(told, mechanism=how)))


def make(settings: Settings, around: Surroundings) -> XadesSeal:
    """Find key and certificate and try them; raise ConfigError, or Unavailable while the token is away."""
    pin = secret(around.folder, settings.pin_file, settings.pin_variable, name="pin")
    place = Place(module=str(around.folder / settings.module.expanduser()), label=settings.token, slot=settings.slot)
    access = Access(pin=pin, sessions=settings.sessions, patience=settings.patience)
    key = Key(label=settings.key, id=bytes.fromhex(settings.key_id))
    filed = _of_file(around.folder / settings.certificate.expanduser()) if settings.certificate else []
    held = token(place, access)
    try:
        with held.trial(access):  # a seal in use goes on by its own PIN if anything here fails
            held.use(lambda session: session.key(key))
            chain = filed or _beside(held, key)
            public_key = key_of(chain[0])
            if not isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
                raise ConfigError(["the seal's key is neither RSA nor on an elliptic curve"])
            signer = TokenKey(place, access, key, public_key)
            seal = XadesSeal(signer, chain, around.clock)
            _require_match(signer)
    except Unfit as no:
        raise ConfigError([f"{no.setting}: {no.reason}"]) from no
    return seal


KIND: Kind[SealInHand] = Kind(settings=Settings, make=make)


def _of_file(path: Path) -> list[x509.Certificate]:
    """Return the first certificate of a PEM file and those above it; raise ConfigError."""
    try:
        found = of_pem(path.read_bytes())
    except FileNotFoundError as error:
        raise SealLost([f"certificate: {path}: {error.strerror}"]) from error
    except OSError as error:
        raise ConfigError([f"certificate: {path}: {error.strerror}"]) from error
    if not found:
        raise ConfigError([f"certificate: {path} holds no certificate in PEM"])
    return above(found[0], found)


def _beside(held: Token, key: Key) -> list[x509.Certificate]:
    """Return the certificate that bears the key's id or label in the token, and those above it; raise ConfigError."""
    kept = held.use(lambda session: session.certificates())
    found = [(label, id_, one) for label, id_, der in kept for one in readable([der])]
    own = [one for label, id_, one in found if (not key.id or id_ == key.id) and (not key.label or label == key.label)]
    if len(own) != 1:
        many = "several certificates" if own else "no certificate"
        raise ConfigError([f"certificate: the token holds {many} of the key's name: name a PEM file"])
    return above(own[0], [one for _, _, one in found])


def _require_match(key: TokenKey) -> None:
    """Raise ConfigError unless the key signs what the certificate verifies."""
    signed = key.sign(_PROBE)
    if not holds(key.public_key, _SCHEMES[isinstance(key.public_key, rsa.RSAPublicKey)], signed, _PROBE):
        raise ConfigError(["the seal's certificate is not for its key"])
