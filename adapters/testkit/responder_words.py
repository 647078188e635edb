"""What a CA's revocation services say, in DER: OCSP answers (RFC 6960) and lists (RFC 5280 §5), true or not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.testkit.certificates import Authority, Credential, distinguished, key

_DAY = timedelta(days=1)


class Lie(StrEnum):
    """In which way it is not true."""

    NONE = "none"
    STALE = "stale"  # true, and too old
    REPLAY = "replay"  # said before anything was revoked, and too old
    STRANGER = "stranger"  # all good, signed by somebody who is not the CA
    OTHER_SERIAL = "other-serial"  # good, of another certificate
    UNKNOWN = "unknown"
    TRY_LATER = "try-later"


class Words:
    """Makes what is said.  `revoked` tells, by serial number, since when and why; everything else is good."""

    def __init__(
        self, authority: Authority, *, clock: Callable[[], datetime], life: timedelta, delegated: bool
    ) -> None:
        self.revoked: dict[int, tuple[datetime, x509.ReasonFlags]] = {}
        self.life = life
        self._authority = authority
        self._clock = clock
        self._number = 0
        now = clock()
        self._own = self._delegate(authority, now) if delegated else authority.credential
        self._stranger = Authority.root("Goniec Test Meddler", now, kind="ec-256").credential

    @staticmethod
    def _delegate(authority: Authority, now: datetime) -> Credential:
        return authority.issue(
            distinguished(common_name="Goniec Test OCSP", organisation="Goniec test PKI"),
            key("ocsp", "ec-256"),
            not_before=now - _DAY,
            not_after=now + 30 * _DAY,
            usage=("digital_signature",),
            extras=[
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
                (x509.OCSPNoCheck(), False),
            ],
        )

    def _times(self, lie: Lie) -> tuple[datetime, datetime]:
        now = self._clock().replace(microsecond=0)  # ASN.1 times as X.509 writes them have whole seconds
        begin = now - 3 * self.life if lie in {Lie.STALE, Lie.REPLAY} else now
        return begin, begin + self.life

    def _revocation(self, serial: int, lie: Lie) -> tuple[datetime, x509.ReasonFlags] | None:
        return None if lie in {Lie.REPLAY, Lie.STRANGER} else self.revoked.get(serial)

    def answer(self, question: bytes, lie: Lie = Lie.NONE) -> bytes:
        """Return the answer to an OCSP request."""
        if lie is Lie.TRY_LATER:
            later = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
            return later.public_bytes(Encoding.DER)
        asked = ocsp.load_der_ocsp_request(question)
        revoked = None if lie is Lie.OTHER_SERIAL else self._revocation(asked.serial_number, lie)
        status = ocsp.OCSPCertStatus.GOOD if revoked is None else ocsp.OCSPCertStatus.REVOKED
        begin, end = self._times(lie)
        own = self._stranger if lie is Lie.STRANGER else self._own
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                asked.issuer_name_hash,
                asked.issuer_key_hash,
                asked.serial_number + (lie is Lie.OTHER_SERIAL),
                asked.hash_algorithm,
                ocsp.OCSPCertStatus.UNKNOWN if lie is Lie.UNKNOWN else status,
                begin,
                end,
                revoked[0].replace(microsecond=0) if revoked and lie is not Lie.UNKNOWN else None,
                revoked[1] if revoked and lie is not Lie.UNKNOWN else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, own.certificate)
        )
        if own is not self._authority.credential:
            builder = builder.certificates([own.certificate])
        return builder.sign(own.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def revocation_list(self, lie: Lie = Lie.NONE) -> bytes:
        """Return the complete list."""
        own = self._stranger if lie is Lie.STRANGER else self._authority.credential
        begin, end = self._times(lie)
        self._number += 1
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._authority.credential.certificate.subject)
            .last_update(begin)
            .next_update(end)
            .add_extension(x509.CRLNumber(self._number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own.key.public_key()), critical=False)
        )
        for serial in list(self.revoked):
            found = self._revocation(serial, lie)
            if found is not None:
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(serial)
                    .revocation_date(found[0].replace(microsecond=0))
                    .add_extension(x509.CRLReason(found[1]), critical=False)
                    .build()
                )
        return builder.sign(own.key, hashes.SHA256()).public_bytes(Encoding.DER)
