"""How test certificates are made: keys, credentials, authorities.  Who there is stands in `pki.py`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID, ObjectIdentifier

_YEAR = timedelta(days=365)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Extra = tuple[x509.ExtensionType, bool]
"""A further extension, and whether it is critical."""


_known: dict[tuple[str, str], PrivateKey] = {}


def key(role: str, kind: str = "rsa-2048") -> PrivateKey:
    """Return the private key of a role; the same one every time in a process.

    A kind is `rsa-<bits>`, `rsa-<bits>-<bits of the exponent>` or `ec-<bits>`.
    """
    return _known.get((role, kind)) or _known.setdefault((role, kind), _made(kind))


def remember(role: str, kind: str, own: PrivateKey) -> None:
    """Let `key` return this one: for documents that are kept longer than a process."""
    _known[(role, kind)] = own


def remembered() -> Mapping[tuple[str, str], PrivateKey]:
    """Return all keys of this process so far, by role and kind."""
    return dict(_known)


def _made(kind: str) -> PrivateKey:
    family, bits, *exponent = kind.split("-")
    if family == "rsa":
        made = rsa.generate_private_key(public_exponent=65537, key_size=int(bits))
        return _with_exponent(made, int(exponent[0])) if exponent else made
    return ec.generate_private_key({"256": ec.SECP256R1(), "384": ec.SECP384R1(), "521": ec.SECP521R1()}[bits])


def _with_exponent(made: rsa.RSAPrivateKey, bits: int) -> rsa.RSAPrivateKey:
    """Return a key of the same primes with an exponent of so many bits: no library makes one."""
    of = made.private_numbers()
    order = (of.p - 1) * (of.q - 1)
    e = next(it for it in itertools.count((1 << (bits - 1)) + 1, 2) if math.gcd(it, order) == 1)
    d = pow(e, -1, order)
    public = rsa.RSAPublicNumbers(e, of.p * of.q)
    halves = rsa.rsa_crt_dmp1(d, of.p), rsa.rsa_crt_dmq1(d, of.q)
    return rsa.RSAPrivateNumbers(of.p, of.q, d, *halves, rsa.rsa_crt_iqmp(of.p, of.q), public).private_key()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A test person.  Neither the names nor the numbers belong to anybody; the PESEL's check digit is right."""

    given: str
    family: str
    pesel: str
    born: date
    account: str = "test-account"  # IdKontaUzytkownikaEpuap


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A private key, its certificate, and the certificates above it (nearest first, the root last)."""

    key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    person: Person | None = None

    @property
    def pem(self) -> bytes:
        """The certificate alone, PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The certificate alone, DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        """The private key, unencrypted PKCS#8 PEM."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def bundle(self) -> bytes:
        """Key, certificate and chain in one PEM text, as a seal may be configured."""
        return self.key_pem + self.pem + b"".join(c.public_bytes(serialization.Encoding.PEM) for c in self.chain)

    def pkcs12(self, password: bytes) -> bytes:
        """Key, certificate and chain as an encrypted PKCS#12 container."""
        how = serialization.BestAvailableEncryption(password)
        return pkcs12.serialize_key_and_certificates(b"goniec", self.key, self.certificate, self.chain, how)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certification authority."""

    credential: Credential

    @classmethod
    def root(cls, name: str, at: datetime, *, kind: str = "rsa-2048", years: int = 10) -> Authority:
        """Return a self-signed root that has been valid for a year at `at`."""
        own = key(name, kind)
        subject = distinguished(common_name=name, organisation="Goniec test PKI")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - _YEAR)
            .not_valid_after(at + years * _YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
            .sign(own, hashes.SHA256())
        )
        return cls(credential=Credential(key=own, certificate=certificate))

    def subordinate(self, title: str, at: datetime, *, kind: str = "rsa-2048", years: int = 5) -> Authority:
        """Return an intermediate CA below this one."""
        subject = distinguished(common_name=title, organisation="Goniec test PKI")
        return Authority(
            credential=self.issue(
                subject,
                key(title, kind),
                not_before=at - _YEAR / 2,
                not_after=at + years * _YEAR,
                usage=("key_cert_sign", "crl_sign"),
                ca=True,
            )
        )

    def issue(
        self,
        subject: x509.Name,
        own: PrivateKey,
        *,
        not_before: datetime,
        not_after: datetime,
        usage: Sequence[str] = ("content_commitment",),
        ca: bool = False,
        length: int | None = None,
        extras: Sequence[Extra] = (),
        person: Person | None = None,
    ) -> Credential:
        """Return a credential for `own`; `usage` names key usages as `x509.KeyUsage` does, none leaves it out.

        `length` is how many authorities may stand below this one, if it is one.
        """
        above = self.credential
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(above.certificate.subject)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=length if ca else None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key()),
                critical=False,
            )
        )
        if usage:
            builder = builder.add_extension(_usage(*usage), critical=True)
        for extension, critical in extras:
            builder = builder.add_extension(extension, critical)
        deterministic = isinstance(above.key, ec.EllipticCurvePrivateKey) or None
        certificate = builder.sign(above.key, hashes.SHA256(), ecdsa_deterministic=deterministic)
        return Credential(key=own, certificate=certificate, chain=(above.certificate, *above.chain), person=person)


# qcStatements of a natural person's and of an organisation's certificate, in DER: QcCompliance, QcSSCD and
# QcType (EN 319 412-5 §4.2 and §4.3); only the last octet of the type differs.
_QC_STATEMENTS = ObjectIdentifier("1.3.6.1.5.5.7.1.3")
_QC = "30293008060604008e4601013008060604008e4601043013060604008e4601063009060704008e460106"
QC_PERSON, QC_SEAL = bytes.fromhex(_QC + "01"), bytes.fromhex(_QC + "02")

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in _USAGES})


def statements_of(kind: bytes) -> Extra:
    """Return the qcStatements of a qualified certificate: `QC_PERSON` or `QC_SEAL`."""
    return x509.UnrecognizedExtension(_QC_STATEMENTS, kind), False


def distinguished(
    *, common_name: str, organisation: str = "", given: str = "", family: str = "", serial: str = "", vat: str = ""
) -> x509.Name:
    """Return a distinguished name with the attributes that Polish certificates carry (DOMAIN §5)."""
    parts = (
        (NameOID.COUNTRY_NAME, "PL"),
        (NameOID.ORGANIZATION_NAME, organisation),
        (NameOID.ORGANIZATION_IDENTIFIER, vat and f"VATPL-{vat}"),
        (NameOID.COMMON_NAME, common_name),
        (NameOID.GIVEN_NAME, given),
        (NameOID.SURNAME, family),
        (NameOID.SERIAL_NUMBER, serial),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if value])
