"""A time-stamping authority to test with (RFC 3161): a unit's key, the tokens it makes, and a server on loopback.

    tsa = Tsa.of(pki.seal_ca, now)               # a unit below an authority
    tsa.token(b"what was stamped")               # a token, DER
    with serving(tsa) as url: ...                # answers by POST; `tsa.conduct` says how badly

Tokens are put together here by hand (asn1crypto), apart from the code that judges them.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.testkit.certificates import Authority, Credential, Extra, distinguished, key

STAMPS: Extra = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
POLICY = "1.2.616.1.1"
_HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}  # noqa: S303 - made to be refused
_DAY = timedelta(days=1)


class Conduct(StrEnum):
    """How the authority behaves."""

    GOOD = "good"
    WRONG_IMPRINT = "wrong-imprint"
    WRONG_NONCE = "wrong-nonce"
    WRONG_POLICY = "wrong-policy"
    OLD = "old"  # a true token, of a day ago
    REFUSES = "refuses"
    RUBBISH = "rubbish"
    FAILS = "fails"  # status 503
    HANGS = "hangs"


def unit(
    authority: Authority,
    at: datetime,
    *,
    kind: str = "rsa-2048",
    extras: Sequence[Extra] = (STAMPS,),
    role: str = "tsu",
) -> Credential:
    """Return a time-stamping unit below an authority."""
    return authority.issue(
        distinguished(common_name="Goniec Test Time-Stamping Unit", organisation="Goniec test PKI"),
        key(role, kind),
        not_before=at - 100 * _DAY,
        not_after=at + 1000 * _DAY,
        usage=("digital_signature",),
        extras=extras,
    )


@dataclass(slots=True, kw_only=True)
class Tsa:
    """An authority's unit and its clock.  What tests vary are the fields."""

    credential: Credential
    clock: Callable[[], datetime]
    conduct: Conduct = Conduct.GOOD
    digest: str = "sha256"
    binding: str = "signing_certificate_v2"  # or signing_certificate, or "" for none
    brings: bool = True  # its certificates stand in the token
    asked: list[bytes] = field(default_factory=list)  # every request that came
    released: threading.Event = field(default_factory=threading.Event)  # ends the hanging

    @classmethod
    def of(cls, authority: Authority, at: datetime, **about: Any) -> Tsa:
        """Return an authority with one good unit, whose clock stands still at `at`."""
        return cls(credential=unit(authority, at), clock=lambda: at, **about)

    def token(
        self,
        stamped: bytes = b"",
        *,
        imprint: bytes | None = None,
        nonce: int | None = None,
        at: datetime | None = None,
    ) -> bytes:
        """Return a token over octets, or over a digest of them that is known already."""
        name = "sha256" if imprint is not None else self.digest
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": POLICY + (".9" if self.conduct is Conduct.WRONG_POLICY else ""),
                "message_imprint": {
                    "hash_algorithm": {"algorithm": name},
                    "hashed_message": hashlib.new(name, stamped).digest() if imprint is None else imprint,
                },
                "serial_number": x509.random_serial_number(),
                "gen_time": core.GeneralizedTime((at or self.clock()).replace(microsecond=0)),
                **({} if nonce is None else {"nonce": nonce}),
            }
        )
        return self._signed(info.dump())

    def _signed(self, content: bytes) -> bytes:
        own = asn1.Certificate.load(self.credential.der)
        attributes = [
            ("content_type", "tst_info"),
            ("message_digest", hashlib.new(self.digest, content).digest()),
        ]
        if self.binding == "signing_certificate_v2":
            one = tsp.ESSCertIDv2(
                {"hash_algorithm": {"algorithm": "sha256"}, "cert_hash": hashlib.sha256(self.credential.der).digest()}
            )
            attributes.append((self.binding, tsp.SigningCertificateV2({"certs": [one]})))
        elif self.binding:
            first = tsp.ESSCertID({"cert_hash": hashlib.sha1(self.credential.der).digest()})  # noqa: S324 - RFC 3161
            attributes.append((self.binding, tsp.SigningCertificate({"certs": [first]})))
        signed = cms.CMSAttributes([cms.CMSAttribute({"type": t, "values": [v]}) for t, v in attributes])
        chain = [own, *(asn1.Certificate.load(c.public_bytes(Encoding.DER)) for c in self.credential.chain)]
        data = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [algos.DigestAlgorithm({"algorithm": self.digest})],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
                **({"certificates": [cms.CertificateChoices("certificate", c) for c in chain]} if self.brings else {}),
                "signer_infos": [
                    {
                        "version": "v1",
                        "sid": cms.SignerIdentifier(
                            "issuer_and_serial_number", {"issuer": own.issuer, "serial_number": own.serial_number}
                        ),
                        "digest_algorithm": {"algorithm": self.digest},
                        "signed_attrs": signed,
                        "signature_algorithm": {"algorithm": self._algorithm()},
                        "signature": self._sign(signed.dump()),
                    }
                ],
            }
        )
        return bytes(cms.ContentInfo({"content_type": "signed_data", "content": data}).dump())

    def _algorithm(self) -> str:
        return f"{self.digest}_{'rsa' if isinstance(self.credential.key, rsa.RSAPrivateKey) else 'ecdsa'}"

    def _sign(self, octets: bytes) -> bytes:
        own, how = self.credential.key, _HASHES[self.digest]
        if isinstance(own, rsa.RSAPrivateKey):
            return own.sign(octets, padding.PKCS1v15(), how)
        return own.sign(octets, ec.ECDSA(how))

    def answer(self, request: bytes) -> bytes:
        """Return the TimeStampResp for a TimeStampReq, as the authority's conduct is."""
        self.asked.append(request)
        asked = tsp.TimeStampReq.load(request, strict=True)
        if self.conduct is Conduct.RUBBISH:
            return b"<html>no</html>"
        if self.conduct is Conduct.REFUSES:
            return _refusal()
        imprint, nonce = asked["message_imprint"]["hashed_message"].native, asked["nonce"].native
        if self.conduct is Conduct.WRONG_IMPRINT:
            imprint = hashlib.sha256(imprint).digest()
        if self.conduct is Conduct.WRONG_NONCE:
            nonce += 1
        at = self.clock() - (_DAY if self.conduct is Conduct.OLD else timedelta(0))
        return granted(self.token(imprint=imprint, nonce=nonce, at=at))


def granted(token: bytes) -> bytes:
    """Return a TimeStampResp that grants a token."""
    held = cms.ContentInfo.load(token)
    return bytes(tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": held}).dump())


def _refusal() -> bytes:
    """Return a TimeStampResp without a token, which asn1crypto has no type for (RFC 3161 §2.4.2)."""
    status: bytes = tsp.PKIStatusInfo({"status": "rejection", "status_string": ["no"]}).dump()
    return b"\x30" + len(status).to_bytes(1, "big") + status


@contextmanager
def serving(tsa: Tsa) -> Iterator[str]:
    """Serve an authority on a free port of loopback; yield its URL."""

    class Desk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            if tsa.conduct is Conduct.HANGS:
                tsa.asked.append(request)
                tsa.released.wait(60)
                return
            if tsa.conduct is Conduct.FAILS:
                self.send_error(503)
                return
            answer = tsa.answer(request)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        tsa.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
