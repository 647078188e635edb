"""What a CA says about revocations in tests, true or not: lists and OCSP answers, octet by octet as a test wants them.

`adapters/testkit/responders.py` serves honest and lying answers over HTTP; here every moment, signer and algorithm is
the test's, `producedAt` too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import core, crl, ocsp
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.testkit.certificates import Authority, Credential, Extra, distinguished, key
from adapters.testkit.pki import JAN
from broker.verify import TrustSnapshot, path
from broker.verify.certificate import load
from broker.verify.path import Path
from tests.corpus.verify.scene import AT, PKI, TRUST

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REQUIRE = TrustSnapshot(anchors=TRUST.anchors, revocation="require")
ROOT = PKI.qualified_ca
CA = ROOT.subordinate("Goniec Test Issuing CA", AT)
PERSON = PKI.personal(CA, JAN)

Revoked = Mapping[int, tuple[datetime, str]]
"""By serial number: since when, and why, as asn1crypto names it; no reason if empty."""


def path_of(credential: Credential, at: datetime = AT, trust: TrustSnapshot = REQUIRE) -> Path:
    beside = [load(it.public_bytes(Encoding.DER)) for it in credential.chain]
    return path.find(load(credential.der), beside, trust, at)


def serial(credential: Credential) -> int:
    return credential.certificate.serial_number


def _signed(by: Credential, octets: bytes, algorithm: str) -> tuple[dict[str, str], bytes]:
    digest: hashes.HashAlgorithm = getattr(hashes, algorithm.upper())()
    if isinstance(by.key, rsa.RSAPrivateKey):
        return {"algorithm": f"{algorithm}_rsa"}, by.key.sign(octets, padding.PKCS1v15(), digest)
    return {"algorithm": f"{algorithm}_ecdsa"}, by.key.sign(octets, ECDSA(digest))


def _kind(by: Credential, algorithm: str) -> dict[str, str]:
    return {"algorithm": f"{algorithm}_{'rsa' if isinstance(by.key, rsa.RSAPrivateKey) else 'ecdsa'}"}


def _time(moment: datetime) -> asn1.Time:
    return asn1.Time({"utc_time": moment}) if moment.year < 2050 else asn1.Time({"general_time": moment})


def a_list(
    issuer: Credential,
    revoked: Revoked | None = None,
    *,
    begin: datetime = AT - HOUR,
    end: datetime | None = AT + DAY,
    by: Credential | None = None,
    algorithm: str = "sha256",
    extensions: Sequence[Mapping[str, Any]] = (),
    entries: Sequence[Mapping[str, Any]] = (),
    number: int | None = 1,
) -> bytes:
    """Return a CRL under the issuer's name, signed by it or by somebody else; `entries` adds extensions to every one."""
    numbered = [] if number is None else [{"extn_id": "crl_number", "critical": False, "extn_value": number}]
    by = by or issuer
    listed = [
        {
            "user_certificate": each,
            "revocation_date": _time(since),
            "crl_entry_extensions": [
                *([{"extn_id": "crl_reason", "critical": False, "extn_value": why}] if why else []),
                *entries,
            ]
            or None,
        }
        for each, (since, why) in (revoked or {}).items()
    ]
    told = {
        "version": "v2",
        "signature": _kind(by, algorithm),
        "issuer": asn1.Name.load(issuer.certificate.subject.public_bytes()),
        "this_update": _time(begin),
        "next_update": _time(end) if end else None,
        "revoked_certificates": [{k: v for k, v in it.items() if v is not None} for it in listed] or None,
        "crl_extensions": [*numbered, *extensions] or None,
    }
    body = crl.TbsCertList({name: value for name, value in told.items() if value is not None})
    how, value = _signed(by, body.dump(), algorithm)
    return bytes(crl.CertificateList({"tbs_cert_list": body, "signature_algorithm": how, "signature": value}).dump())


def an_answer(
    certificate: Credential,
    issuer: Credential,
    *,
    status: str = "good",
    since: datetime = AT - DAY,
    why: str = "",
    begin: datetime = AT - HOUR,
    end: datetime | None = AT + DAY,
    produced: datetime | None = None,
    by: Credential | None = None,
    beside: Sequence[Credential] = (),
    algorithm: str = "sha256",
    about: int | None = None,
    also: Sequence[Mapping[str, Any]] = (),
    extensions: Sequence[Mapping[str, Any]] = (),
    of_all: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """Return an OCSP answer about a certificate of the issuer; `about` is another serial number.

    `also` are further single responses, each by what is different in it; `extensions` are those of each, `of_all` those
    of the whole answer.
    """
    by = by or issuer
    name, spki = issuer.certificate.subject.public_bytes(), _key_of(issuer)
    said: Any = {"good": core.Null(), "unknown": core.Null()}.get(status)
    if said is None:
        said = {"revocation_time": since, **({"revocation_reason": why} if why else {})}
    single = {
        "cert_id": {
            "hash_algorithm": {"algorithm": "sha1"},
            "issuer_name_hash": hashlib.sha1(name).digest(),
            "issuer_key_hash": spki,
            "serial_number": serial(certificate) if about is None else about,
        },
        "cert_status": ocsp.CertStatus(name=status, value=said),
        "this_update": begin,
        **({"next_update": end} if end else {}),
        **({"single_extensions": list(extensions)} if extensions else {}),
    }
    data = ocsp.ResponseData(
        {
            "responder_id": ocsp.ResponderId(name="by_key", value=core.OctetString(_key_of(by))),
            "produced_at": produced or begin,
            "responses": [single, *({**single, **more} for more in also)],
            **({"response_extensions": list(of_all)} if of_all else {}),
        }
    )
    how, value = _signed(by, data.dump(), algorithm)
    basic: dict[str, Any] = {"tbs_response_data": data, "signature_algorithm": how, "signature": value}
    if beside:
        basic["certs"] = [asn1.Certificate.load(it.der) for it in beside]
    answer = {"response_type": "basic_ocsp_response", "response": ocsp.BasicOCSPResponse(basic)}
    return bytes(ocsp.OCSPResponse({"response_status": "successful", "response_bytes": answer}).dump())


def _key_of(credential: Credential) -> bytes:
    """Return the SHA-1 of the public key's bits, by which OCSP names keys (RFC 6960 §4.1.1)."""
    return bytes(asn1.Certificate.load(credential.der).public_key.sha1)


NO_CHECK: Extra = (x509.OCSPNoCheck(), False)


def a_responder(authority: Authority, name: str = "Goniec Test OCSP", **about: Any) -> Credential:
    """Return one to whom the authority has delegated its answers."""
    own = key(name, about.pop("kind", "ec-256"))
    purposes = about.pop("purposes", [ExtendedKeyUsageOID.OCSP_SIGNING])
    extras = [(x509.ExtendedKeyUsage(purposes), False)] if purposes else []
    given = {
        "not_before": AT - DAY,
        "not_after": AT + DAY,
        "usage": ("digital_signature",),
        "extras": [*extras, NO_CHECK],
        **about,
    }
    return authority.issue(distinguished(common_name=name), own, **given)
