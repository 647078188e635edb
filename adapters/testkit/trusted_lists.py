"""Makes lists of the lists and national lists to test with, in the shape in which the real ones are made.

    lists = Lists(now)
    lotl = lists.lotl()                                            # signed by lists.lotl_signer
    national = lists.national([Entry(certificates=(ca,))])         # signed by lists.national_signer
    lists.national([...], next_update=None, rewrite=lambda text: text.replace(…))

What a list says is text put together here; `rewrite` changes it before it is signed, so that the mathematics of a bad
list is right.  The signature is the testkit's, with the transforms, the binding and the digests that lists have in the
field: enveloped-signature, then exclusive C14N; the certificate bound by SigningCertificate or its second version.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier

from adapters.testkit.certificates import Authority, Credential
from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import EXCLUSIVE

TSL = "http://uri.etsi.org/02231/v2#"
STATUS = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/"
INFO = "http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/"
CA_QC = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC"
QTST = "http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST"
_TYPE = "http://uri.etsi.org/TrstSvc/TrustedList/TSLType/"
_YEAR, _DAY = timedelta(days=365), timedelta(days=1)
_TSL_SIGNING = x509.ExtendedKeyUsage([ObjectIdentifier("0.4.0.2231.3.0")])  # TS 119 612 §5.7.1

Rewrite = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a service was before: `extensions` are XML inside tsl:Extension, each with its criticality."""

    status: str
    since: datetime
    extensions: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One service of a list, by default a CA granted for signatures and seals."""

    certificates: tuple[x509.Certificate, ...]
    name: str = "Goniec Test Qualified CA"
    kind: str = CA_QC
    status: str = "granted"
    since: datetime | None = None  # two years before the list, by default
    extensions: tuple[tuple[str, bool], ...] = field(default_factory=lambda: issues("ForeSignatures", "ForeSeals"))
    history: tuple[Past, ...] = ()


def issues(*purposes: str) -> tuple[tuple[str, bool], ...]:
    """Return the extensions that say for what a CA issues qualified certificates: `ForeSignatures`, `ForeSeals`."""
    return tuple(
        (
            f'<AdditionalServiceInformation><URI xml:lang="en">{INFO}{it}</URI></AdditionalServiceInformation>',
            True,
        )
        for it in purposes
    )


def qualifies(criteria: str, *qualifiers: str) -> tuple[str, bool]:
    """Return the extension that corrects the certificates that meet the criteria, XML of sie:CriteriaList."""
    uris = "".join(f'<sie:Qualifier uri="{INFO}{it}"/>' for it in qualifiers)
    held = (
        "<sie:Qualifications><sie:QualificationElement>"
        f"<sie:Qualifiers>{uris}</sie:Qualifiers>{criteria}"
        "</sie:QualificationElement></sie:Qualifications>"
    )
    return held, True


def criteria(*parts: str, combine: str = "all") -> str:
    """Return a list of criteria."""
    return f'<sie:CriteriaList assert="{combine}">{"".join(parts)}<sie:Description/></sie:CriteriaList>'


def key_usage(**bits: bool) -> str:
    """Return the criterion on key usages, by their names in the standard: `nonRepudiation=True`."""
    said = "".join(f'<sie:KeyUsageBit name="{name}">{str(bit).lower()}</sie:KeyUsageBit>' for name, bit in bits.items())
    return f"<sie:KeyUsage>{said}</sie:KeyUsage>"


def policies(*oids: str) -> str:
    """Return the criterion on certificate policies."""
    said = "".join(
        f"<sie:PolicyIdentifier><xades:Identifier>{it}</xades:Identifier></sie:PolicyIdentifier>" for it in oids
    )
    return f"<sie:PolicySet>{said}</sie:PolicySet>"


def key_purposes(*oids: str) -> str:
    """Return the criterion on extended key usages."""
    said = "".join(f"<tslx:KeyPurposeId><xades:Identifier>{it}</xades:Identifier></tslx:KeyPurposeId>" for it in oids)
    return f"<sie:otherCriteriaList><tslx:ExtendedKeyUsage>{said}</tslx:ExtendedKeyUsage></sie:otherCriteriaList>"


def subject_attributes(*oids: str) -> str:
    """Return the criterion on attributes of the subject."""
    said = "".join(f"<tslx:AttributeOID><xades:Identifier>{it}</xades:Identifier></tslx:AttributeOID>" for it in oids)
    return (
        "<sie:otherCriteriaList><tslx:CertSubjectDNAttribute>"
        f"{said}</tslx:CertSubjectDNAttribute></sie:otherCriteriaList>"
    )


@dataclass(frozen=True, kw_only=True)
class Lists:
    """The signers of a test LOTL and of test national lists, and the lists that they sign at `at`."""

    at: datetime
    place: str = "https://lists.example"  # where the LOTL says that the national lists are

    # ── who signs ──

    @cached_property
    def lotl_signer(self) -> Credential:
        """Signs the LOTL."""
        return self.signer("Goniec Test LOTL Signer")

    @cached_property
    def national_signer(self) -> Credential:
        """Signs the national lists."""
        return self.signer("Goniec Test TSL Operator")

    def signer(self, name: str, *, kind: str = "rsa-2048", **times: datetime) -> Credential:
        """Return a signer of lists with a certificate signed by itself, as national operators have."""
        itself = Authority.root(name, self.at, kind=kind).credential
        made = Authority(credential=itself).issue(
            itself.certificate.subject,
            itself.key,
            not_before=times.get("not_before", self.at - 2 * _YEAR),
            not_after=times.get("not_after", self.at + 2 * _YEAR),
            usage=("digital_signature",),
            extras=[(_TSL_SIGNING, False)],
        )
        return Credential(key=made.key, certificate=made.certificate)

    # ── lists ──

    def lotl(self, pointers: str | None = None, *, signer: Credential | None = None, **about: Any) -> bytes:
        """Return the list of the lists; `pointers` is XML, by default one to the Polish list."""
        held = self.pointer() if pointers is None else pointers
        about = {"territory": "EU", "kind": "EUlistofthelists", **about}
        return self._signed(
            self._list(f"<PointersToOtherTSL>{held}</PointersToOtherTSL>", "", **about),
            signer or self.lotl_signer,
            about,
        )

    def pointer(
        self,
        territory: str = "PL",
        signers: Sequence[Credential] | None = None,
        *,
        location: str = "",
        mime: str = "application/vnd.etsi.tsl+xml",
        kind: str = "EUgeneric",
    ) -> str:
        """Return a pointer to a territory's list."""
        who = [self.national_signer] if signers is None else signers
        identities = "".join(
            f"<ServiceDigitalIdentity>{_digital(it.certificate)}</ServiceDigitalIdentity>" for it in who
        )
        return (
            f"<OtherTSLPointer><ServiceDigitalIdentities>{identities}</ServiceDigitalIdentities>"
            f"<TSLLocation>{escape(location or f'{self.place}/{territory}.xml')}</TSLLocation><AdditionalInformation>"
            f"<OtherInformation><TSLType>{_TYPE}{kind}</TSLType></OtherInformation>"
            f"<OtherInformation><SchemeTerritory>{territory}</SchemeTerritory></OtherInformation>"
            f"<OtherInformation><tslx:MimeType>{mime}</tslx:MimeType></OtherInformation>"
            "</AdditionalInformation></OtherTSLPointer>"
        )

    def national(
        self, entries: Sequence[Entry], *, territory: str = "PL", signer: Credential | None = None, **about: Any
    ) -> bytes:
        """Return a national list with these services."""
        services = "".join(self._service(it) for it in entries)
        providers = (
            "<TrustServiceProviderList><TrustServiceProvider><TSPInformation><TSPName>"
            '<Name xml:lang="en">Goniec Test Provider</Name></TSPName></TSPInformation>'
            f"<TSPServices>{services}</TSPServices></TrustServiceProvider></TrustServiceProviderList>"
        )
        pointers = self.pointer("EU", [self.lotl_signer], kind="EUlistofthelists")
        about = {"territory": territory, "kind": "EUgeneric", **about}
        text = self._list(f"<PointersToOtherTSL>{pointers}</PointersToOtherTSL>", providers if entries else "", **about)
        return self._signed(text, signer or self.national_signer, about)

    def _list(self, pointers: str, providers: str, **about: Any) -> str:
        issued: datetime = about.get("issued", self.at - _DAY)
        due: datetime | None = about.get("next_update", issued + 180 * _DAY)
        text = (
            '<?xml version="1.0" encoding="UTF-8" standalone="no"?>'
            f'<TrustServiceStatusList xmlns="{TSL}" xmlns:ns2="http://www.w3.org/2000/09/xmldsig#"'
            ' xmlns:tslx="http://uri.etsi.org/02231/v2/additionaltypes#"'
            ' xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"'
            ' xmlns:sie="http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#"'
            ' xmlns:ns6="http://uri.etsi.org/01903/v1.4.1#" Id="TrustServiceStatusList-1"'
            ' TSLTag="http://uri.etsi.org/19612/TSLTag">\n    <SchemeInformation>\n'
            f"        <TSLVersionIdentifier>{about.get('version', 5)}</TSLVersionIdentifier>\n"
            f"        <TSLSequenceNumber>{about.get('sequence', 1)}</TSLSequenceNumber>\n"
            f"        <TSLType>{_TYPE}{about['kind']}</TSLType>\n"
            '        <SchemeOperatorName><Name xml:lang="en">Goniec Test Operator</Name>'
            '<Name xml:lang="pl">Operator próbny</Name></SchemeOperatorName>\n'
            '        <SchemeInformationURI><URI xml:lang="en">https://lists.example/</URI></SchemeInformationURI>\n'
            f"        <StatusDeterminationApproach>{_TYPE.replace('TSLType', 'StatusDetn')}EUappropriate"
            "</StatusDeterminationApproach>\n"
            f"        <SchemeTerritory>{about['territory']}</SchemeTerritory>\n"
            "        <HistoricalInformationPeriod>65535</HistoricalInformationPeriod>\n"
            f"        {pointers}\n"
            f"        <ListIssueDateTime>{_written(issued)}</ListIssueDateTime>\n"
            f"        <NextUpdate>{f'<dateTime>{_written(due)}</dateTime>' if due else ''}</NextUpdate>\n"
            f"    </SchemeInformation>\n    {providers}\n</TrustServiceStatusList>"
        )
        rewrite: Rewrite | None = about.get("rewrite")
        return rewrite(text) if rewrite else text

    def _signed(self, text: str, by: Credential, about: dict[str, Any]) -> bytes:
        """Sign as the lists are; `recipe` holds what is to be different, None leaves the list unsigned."""
        recipe = about.get("recipe", {})
        if recipe is None:
            return text.encode()
        return sign(text.encode(), by, self.at, **{"properties": EXCLUSIVE, "binding": "v1", **recipe})

    def _service(self, it: Entry) -> str:
        since = it.since or self.at - 2 * _YEAR
        past = "".join(
            "<ServiceHistoryInstance>"
            + _instance(it, _names(it.certificates[:1]), one.status, one.since, one.extensions)
            + "</ServiceHistoryInstance>"
            for one in it.history
        )
        identity = "".join(_digital(one) for one in it.certificates) + _names(it.certificates[:1])
        return (
            f"<TSPService><ServiceInformation>{_instance(it, identity, it.status, since, it.extensions)}"
            f"</ServiceInformation>{f'<ServiceHistory>{past}</ServiceHistory>' if past else ''}</TSPService>"
        )


def _instance(it: Entry, identity: str, status: str, since: datetime, extensions: tuple[tuple[str, bool], ...]) -> str:
    held = "".join(f'<Extension Critical="{str(critical).lower()}">{xml}</Extension>' for xml, critical in extensions)
    return (
        f"<ServiceTypeIdentifier>{it.kind}</ServiceTypeIdentifier>"
        f'<ServiceName><Name xml:lang="en">{escape(it.name)}</Name></ServiceName>'
        f"<ServiceDigitalIdentity>{identity}</ServiceDigitalIdentity>"
        f"<ServiceStatus>{STATUS}{status}</ServiceStatus>"
        f"<StatusStartingTime>{_written(since)}</StatusStartingTime>"
        f"{f'<ServiceInformationExtensions>{held}</ServiceInformationExtensions>' if held else ''}"
    )


def _digital(certificate: x509.Certificate) -> str:
    der = b64encode(certificate.public_bytes(Encoding.DER)).decode()
    return f"<DigitalId>\n<X509Certificate>{der}</X509Certificate>\n</DigitalId>"


def _names(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(
        f"<DigitalId><X509SubjectName>{escape(it.subject.rfc4514_string())}</X509SubjectName></DigitalId>"
        for it in certificates
    )


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
