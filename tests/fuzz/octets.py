"""`certificates`: whatever stands for a certificate, a revocation list, an OCSP answer or a time-stamp is a Fault or nothing.

The first octet says for what the rest is taken.  The fuzzer has no key: so no certificate may find a path but those of
the corpus, the revoked signer may never be proven good, and no time-stamp counts but those of the seeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from adapters.testkit.certificates import Authority, Credential, key
from adapters.testkit.responder_words import Lie, Words
from adapters.testkit.tsa import Tsa
from broker.errors import ConfigError
from broker.parse import Limits, read
from broker.verify import issuer_name, path, qualified, sources, timestamp, trusted_list
from broker.verify.certificate import distinct, load
from broker.verify.fault import Fault
from broker.verify.settlement import Raw, settle
from tests.corpus import kept
from tests.fuzz.verifying import AT, trust
from tests.interop import verifiers

LONGEST = 20_000
STAMPED = b"what was stamped"
_CERTIFICATE = "{http://www.w3.org/2000/09/xmldsig#}X509Certificate"


def body(data: bytes) -> None:
    """Take the octets for what their first says."""
    if data:
        TAKEN_FOR[data[0] % len(TAKEN_FOR)](data[1:])


def _pieces(octets: bytes) -> list[bytes]:
    """Cut octets into the DER values that seem to stand there one after the other."""
    found: list[bytes] = []
    while len(octets) > 1 and len(found) < 12:
        size, head = octets[1], 2
        if size & 0x80:
            head = 2 + (size & 0x7F)
            size = int.from_bytes(octets[2:head], "big")
        found.append(octets[: head + size])
        octets = octets[head + size :]
    return found


# ── certificates ──


def _take_for_certificates(octets: bytes) -> None:
    with suppress(Fault):
        signer, *beside = distinct(_pieces(octets)) or (load(octets),)
        sources.sources(signer.der)
        issuer_name.names(signer.report.issuer, signer.x509.issuer)
        assert not qualified.is_qualified(signer.x509, (), AT), "qualified by no list"
        found = path.find(signer, beside, trust(), AT)
        assert signer.report.sha256 in shown(), "a path for a certificate that nobody issued"
        assert found.subjects


@cache
def shown() -> frozenset[str]:
    """Return every certificate that the corpus shows, and every anchor: the authorities issued no others."""
    written = {
        der
        for it in kept.kept()
        if b"X509Certificate" in it.read()
        for element in read(it.read(), Limits()).iter(_CERTIFICATE)
        if (der := verifiers.decoded(element)) is not None
    }
    anchors = {it.certificate.public_bytes(Encoding.DER) for it in trust().anchors}
    return frozenset(hashlib.sha256(der).hexdigest() for der in written | anchors)


# ── evidence ──


@cache
def chain() -> tuple[bytes, bytes]:
    """Return the certificate that is revoked, and its issuer's."""
    document = read((kept.ROOT / "accepted" / "enveloped.xml").read_bytes(), Limits())
    own = verifiers.decoded(next(document.iter(_CERTIFICATE)))
    assert own is not None
    return own, trust().anchors[0].certificate.public_bytes(Encoding.DER)


def _take_for_lists(octets: bytes) -> None:
    _settle(crls=[Raw(octets=octets)])


def _take_for_answers(octets: bytes) -> None:
    _settle(ocsps=[Raw(octets=octets)])


def _take_for_everything(octets: bytes) -> None:
    pieces = [Raw(octets=it) for it in _pieces(octets)]
    _settle(crls=pieces, ocsps=pieces, beside=[it.octets for it in pieces])


def _settle(*, crls: list[Raw] = [], ocsps: list[Raw] = [], beside: list[bytes] = []) -> None:  # noqa: B006 - never changed
    settled = settle(chain(), crls=crls, ocsps=ocsps, beside=beside, at=AT, freshness=timedelta(days=2))
    own = load(chain()[0])
    assert not any(it.good for it in settled.statuses if it.certificate == own.report.sha256), (
        "a revoked signer is good"
    )
    assert all(own.x509.serial_number in it.revoked for it in settled.lists), "a list forgot whom it had revoked"


# ── time-stamps and lists of trust ──


def _take_for_time_stamps(octets: bytes) -> None:
    with suppress(Fault):
        stamp = timestamp.verify(octets, STAMPED, trust(), AT)
        assert stamp.at == AT, "a time-stamp that nobody made"


def _take_for_trusted_lists(octets: bytes) -> None:
    with suppress(ConfigError):
        trusted_list.claimed(octets)
    with suppress(ConfigError):
        expected = trusted_list.Expected(territory="PL", signers=(trust().anchors[0].certificate,))
        trusted_list.read(octets, expected, AT)
        raise AssertionError("a trusted list that nobody signed")


TAKEN_FOR = (
    _take_for_certificates,
    _take_for_lists,
    _take_for_answers,
    _take_for_everything,
    _take_for_time_stamps,
    _take_for_trusted_lists,
)


def seeds() -> Iterator[bytes]:
    """Certificates of the corpus, a list and answers that revoke, lies about them, a time-stamp, a trusted list."""
    assert shown()
    for it in kept.kept():
        if "/chains/" in it.path or it.path.startswith("accepted/"):
            elements = read(it.read(), Limits()).iter(_CERTIFICATE)
            ders = [der for der in map(verifiers.decoded, elements) if der]
            yield b"\0" + b"".join(ders)
    kept.remember_keys()
    issuer = trust().anchors[0].certificate
    authority = Authority(credential=Credential(key=key("Goniec Test Qualified CA"), certificate=issuer))
    own = load(chain()[0]).x509
    asked = ocsp.OCSPRequestBuilder().add_certificate(own, issuer, hashes.SHA1()).build()
    for delegated in (False, True):
        words = Words(authority, clock=lambda: AT, life=timedelta(hours=1), delegated=delegated)
        words.revoked[own.serial_number] = (AT - timedelta(days=1), x509.ReasonFlags.key_compromise)
        for lie in Lie:
            answer = words.answer(asked.public_bytes(Encoding.DER), lie)
            yield b"\2" + answer
            yield b"\3" + answer + words.revocation_list(lie)
            yield b"\1" + words.revocation_list(lie)
    yield b"\4" + Tsa.of(authority, AT).token(STAMPED)
    yield (
        b'\5<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#"><SchemeInformation/></TrustServiceStatusList>'
    )
