"""Refused by stage admit: what is signed holds, and is not worth what the box asks for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from adapters.testkit.certificates import Credential, distinguished, key
from adapters.testkit.pki import JAN, ZOFIA
from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import PODPIS_ZAUFANY, QUALIFIED
from adapters.testkit.signing.roles import ep_signature, podpis_zp
from tests.corpus.verify.scene import AT, FORM, PKI

REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {}
"""By the name of the document: the code it must give, its maker, and the box it goes to."""

TWO = "/corpus/two"
TRUSTED = "/corpus/trusted"
HIGHEST = "/corpus/qualified"


def _expect(code: str, what: str, maker: Callable[[], bytes], box: str) -> None:
    REFUSED[f"{code}--{what}"] = (f"admit.{code}", maker, box)


def _claiming(role: str, *, by: str = "person") -> Callable[[], bytes]:
    return lambda: sign(FORM, getattr(PKI, by), AT, PODPIS_ZAUFANY, claimed_role=role)


def of_a_firm(given: str, serial: str) -> Credential:
    """The certificate of somebody at work, which names the firm too."""
    subject = distinguished(
        common_name=f"{given} TESTOWY",
        given=given,
        family="TESTOWY",
        serial=serial,
        organisation="Firma testowa",
        vat="5260001246",
    )
    own = key(f"at work {given}", PKI.keys)
    return PKI.qualified_ca.issue(subject, own, not_before=AT - timedelta(days=9), not_after=AT + timedelta(days=99))


_ROLE = ep_signature(JAN, AT)
_expect("signature-missing", "nobody-signed", lambda: FORM, "/corpus/any")
_expect("signature-missing", "only-a-comment-about-one", lambda: FORM + b"<!-- <ds:Signature/> -->", "/corpus/any")
_expect(
    "signature-missing",
    "a-signature-of-another-namespace",
    lambda: FORM.replace(b"<wnio:Kwota>", b'<Signature xmlns="urn:signature"/><wnio:Kwota>'),
    "/corpus/any",
)
_expect(
    "signature-missing",
    "a-signature-as-character-data",
    lambda: FORM.replace(b">100<", b"><![CDATA[<ds:Signature/>]]><"),
    "/corpus/any",
)
_expect("level-too-low", "local-for-qualified", lambda: sign(FORM, PKI.local_person, AT), HIGHEST)
_expect("level-too-low", "podpis-zaufany-for-qualified", lambda: sign_on_platform(FORM, PKI.platform, JAN, AT), HIGHEST)
_expect("level-too-low", "local-for-podpis-zaufany", lambda: sign(FORM, PKI.local_person, AT), TRUSTED)
_expect("level-too-low", "role-claimed-without-the-platform", _claiming(_ROLE, by="local_person"), TRUSTED)
_expect(
    "level-too-low", "role-of-old-claimed-without-the-platform", _claiming(podpis_zp(ZOFIA), by="local_person"), TRUSTED
)
_expect("level-too-low", "platform-without-a-person", lambda: sign(FORM, PKI.platform, AT, PODPIS_ZAUFANY), TRUSTED)
_expect(
    "level-too-low", "platform-with-two-persons", _claiming(_ROLE + ep_signature(ZOFIA, AT), by="platform"), TRUSTED
)
_expect(
    "level-too-low",
    "platform-with-a-role-of-another-namespace",
    _claiming(_ROLE.replace("podpis_zaufany/", "podpis-zaufany/"), by="platform"),
    TRUSTED,
)
_expect(
    "level-too-low",
    "platform-with-a-nameless-person",
    _claiming(
        '<pz:EPSignature xmlns:pz="http://crd.gov.pl/xml/schematy/podpis_zaufany/"><pz:NaturalPerson/></pz:EPSignature>',
        by="platform",
    ),
    TRUSTED,
)
_expect("level-too-low", "platform-with-words-for-a-role", _claiming("JAN TESTOWY", by="platform"), TRUSTED)
_expect(
    "level-too-low",
    "the-weaker-of-two",
    lambda: sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.local_person, AT, QUALIFIED),
    HIGHEST,
)
_expect(
    "level-too-low",
    "qualified-only-as-a-counter-signature",
    lambda: countersign(sign(FORM, PKI.local_person, AT), PKI.person, AT),
    HIGHEST,
)
_expect("too-few-signatures", "one-for-two", lambda: sign(FORM, PKI.person, AT, QUALIFIED), TWO)
_expect(
    "too-few-signatures",
    "the-same-twice",
    lambda: sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.person, AT, QUALIFIED),
    TWO,
)
_expect(
    "too-few-signatures",
    "two-certificates-of-one-person",
    lambda: sign(sign(FORM, PKI.person, AT, QUALIFIED), PKI.local_person, AT, QUALIFIED),
    TWO,
)
_expect(
    "too-few-signatures",
    "a-counter-signature-for-a-second",
    lambda: countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT),
    TWO,
)
_expect(
    "too-few-signatures",
    "one-person-twice-on-the-platform",
    lambda: sign_on_platform(sign_on_platform(FORM, PKI.platform, JAN, AT), PKI.platform, JAN, AT, old=True),
    TWO,
)
_expect(
    "too-few-signatures",
    "renewed-certificate",
    lambda: sign(
        sign(FORM, PKI.person, AT, QUALIFIED),
        PKI.personal(PKI.qualified_ca, JAN, usage=("digital_signature",)),
        AT,
        QUALIFIED,
    ),
    TWO,
)
_expect(
    "too-few-signatures",
    "a-private-certificate-and-one-for-business",
    lambda: sign(sign(FORM, PKI.person, AT, QUALIFIED), of_a_firm(JAN.given, f"PNOPL-{JAN.pesel}"), AT, QUALIFIED),
    TWO,
)
_expect(
    "too-few-signatures",
    "a-certificate-for-business-and-podpis-zaufany",
    lambda: sign_on_platform(
        sign(FORM, of_a_firm(JAN.given, f"PNOPL-{JAN.pesel}"), AT, QUALIFIED), PKI.platform, JAN, AT
    ),
    TWO,
)
_expect("form-not-accepted", "in-a-box-for-letters", lambda: sign(FORM, PKI.person, AT), "/corpus/letters")
_expect("sender-not-accepted", "in-a-box-for-others", lambda: sign(FORM, PKI.person, AT), "/corpus/closed")
