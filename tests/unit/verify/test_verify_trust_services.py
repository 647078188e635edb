"""The services of a list, read from plain XML: what each part becomes, and in which words a service is left out."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from lxml import etree

from adapters.testkit.pki import Pki
from broker.verify.qualified import (
    SVC_INFO,
    Criteria,
    KeyPurposes,
    KeyUsage,
    Policies,
    Purpose,
    Qualification,
    Service,
    SubjectAttributes,
)
from broker.verify.trust_services import Kind, Listed, NotUnderstood, moment_of, one, read, text_of

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
END = AT + 90 * DAY
PKI = Pki(at=AT)
CA = PKI.qualified_ca.credential
XMLNS = (
    'xmlns="http://uri.etsi.org/02231/v2#" '
    'xmlns:s="http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#" '
    'xmlns:x="http://uri.etsi.org/02231/v2/additionaltypes#" xmlns:a="http://uri.etsi.org/01903/v1.3.2#"'
)
STATUS = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/"


def held(*ders: bytes) -> str:
    return "".join(f"<DigitalId><X509Certificate>{b64encode(it).decode()}</X509Certificate></DigitalId>" for it in ders)


def information(
    *,
    tag: str = "ServiceInformation",
    kind: str = Kind.CERTIFICATES.value,
    name: str = "<ServiceName><Name>The CA</Name></ServiceName>",
    identity: str = held(CA.der),
    status: str = "granted",
    since: str = "2025-01-01T00:00:00Z",
    extensions: str = "",
) -> str:
    return (
        f"<{tag}><ServiceTypeIdentifier>{kind}</ServiceTypeIdentifier>{name}"
        f"<ServiceDigitalIdentity>{identity}</ServiceDigitalIdentity>"
        f"<ServiceStatus>{STATUS}{status}</ServiceStatus><StatusStartingTime>{since}</StatusStartingTime>"
        f"<ServiceInformationExtensions>{extensions}</ServiceInformationExtensions></{tag}>"
    )


def services(*inside: str) -> tuple[tuple[Listed, ...], tuple[str, ...]]:
    several = "".join(f"<TSPService>{it}</TSPService>" for it in inside)
    text = (
        f"<TrustServiceStatusList {XMLNS}><TrustServiceProviderList><TrustServiceProvider>"
        f"<TSPServices>{several}</TSPServices></TrustServiceProvider></TrustServiceProviderList>"
        "</TrustServiceStatusList>"
    )
    return read(etree.fromstring(text), "PL", END)


def extension(content: str, critical: str = ' Critical="true"') -> str:
    return f"<Extension{critical}>{content}</Extension>"


def qualified(criteria: str, *qualifiers: str) -> str:
    uris = "".join(f'<s:Qualifier uri="{it}"/>' for it in qualifiers)
    return extension(
        f"<s:Qualifications><s:QualificationElement><s:Qualifiers>{uris}</s:Qualifiers>{criteria}"
        "</s:QualificationElement></s:Qualifications>"
    )


def a_list(inside: str, combine: str = ' assert="all"') -> str:
    return f"<s:CriteriaList{combine}>{inside}</s:CriteriaList>"


def identifiers(outer: str, inner: str, *oids: str) -> str:
    return f"<{outer}>{''.join(f'<{inner}><a:Identifier>{it}</a:Identifier></{inner}>' for it in oids)}</{outer}>"


FOR_BOTH = "".join(
    extension(f"<AdditionalServiceInformation><URI>{SVC_INFO}{it}</URI></AdditionalServiceInformation>")
    for it in ("ForeSignatures", "ForeSeals", "RootCA-QC")
)
BITS = (
    '<s:KeyUsage><s:KeyUsageBit name="nonRepudiation">1</s:KeyUsageBit>'
    '<s:KeyUsageBit name="crlSign"> false </s:KeyUsageBit></s:KeyUsage>'
)
POLICY = identifiers("s:PolicySet", "s:PolicyIdentifier", "1.2.3", "urn:oid:1.2.4")


def test_a_service_is_read_with_its_name_its_certificates_and_its_times() -> None:
    past = [
        information(tag="ServiceHistoryInstance", since="2022-01-01T00:00:00Z"),
        information(tag="ServiceHistoryInstance", status="withdrawn", since="2023-01-01T00:00:00Z"),
    ]
    history = f"<ServiceHistory>{''.join(past)}</ServiceHistory>"
    ((found,), left_out) = services(information(extensions=FOR_BOTH) + history)
    assert left_out == ()
    times = (
        Service(
            name="The CA",
            territory="PL",
            since=datetime(2025, 1, 1, tzinfo=UTC),
            until=END,
            purposes=frozenset({Purpose.SIGNATURES, Purpose.SEALS}),
        ),
        Service(
            name="The CA",
            territory="PL",
            since=datetime(2022, 1, 1, tzinfo=UTC),
            until=datetime(2023, 1, 1, tzinfo=UTC),
        ),
    )
    assert found == Listed(kind=Kind.CERTIFICATES, name="The CA", certificates=(CA.certificate,), times=times)


def test_services_of_other_kinds_are_passed_over_and_the_rest_read_in_order() -> None:
    found, left_out = services(
        information(name="<ServiceName><Name>1</Name></ServiceName>"),
        information(kind="urn:other"),
        information(name="<ServiceName><Name>2</Name></ServiceName>", kind=Kind.TIME_STAMPS.value),
        information(status="twice") + information(),
    )
    assert [(it.name, it.kind) for it in found] == [("1", Kind.CERTIFICATES), ("2", Kind.TIME_STAMPS)]
    assert left_out == ("The CA: ServiceInformation stands 2 times",)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("<ServiceName><Name>  The\n CA </Name><Name>Another</Name></ServiceName>", "The CA"),
        ("", "a service without a name"),
        ("<ServiceName/>", "a service without a name"),
        ("<ServiceName><Name>a<b/>c</Name></ServiceName>", ""),
        (f"<ServiceName><Name>{'x' * 300}</Name></ServiceName>", "x" * 200),
    ],
)
def test_a_name_is_the_first_in_one_line_and_not_too_long(written: str, name: str) -> None:
    ((found,), _) = services(information(name=written))
    assert found.name == name


def test_certificates_are_taken_once_and_those_that_cannot_be_read_are_passed_over() -> None:
    other = PKI.platform_ca.credential
    odd = "<DigitalId><X509Certificate>?</X509Certificate></DigitalId><DigitalId><Other/></DigitalId>"
    identity = odd + held(b"", b"rubbish", CA.der, CA.der + b"\x00", PKI.person.der, other.der, CA.der)
    ((found,), _) = services(information(identity=identity))
    assert found.certificates == (CA.certificate, other.certificate)
    ((stamps,), _) = services(information(identity=identity, kind=Kind.TIME_STAMPS.value))
    assert stamps.certificates == (CA.certificate, PKI.person.certificate, other.certificate)


def test_a_certificate_whose_names_cannot_be_read_is_passed_over_for_as_an_anchor_it_would_stop_the_others() -> None:
    odd = PKI.qualified_ca.issue(
        CA.certificate.subject,
        CA.key,
        not_before=AT - DAY,
        not_after=AT + DAY,
        ca=True,
        extras=[(x509.NameConstraints([x509.DNSName("xn--9")], None), True)],
    )
    ((found,), left_out) = services(information(identity=held(odd.der, CA.der)))
    assert (found.certificates, left_out) == ((CA.certificate,), ())


@pytest.mark.parametrize(
    ("inside", "understood"),
    [
        (
            BITS,
            (KeyUsage((("content_commitment", True), ("crl_sign", False))),),
        ),
        (POLICY, (Policies(frozenset({"1.2.3", "1.2.4"})),)),
        (
            "<s:otherCriteriaList>"
            + identifiers("x:ExtendedKeyUsage", "x:KeyPurposeId", "1.5")
            + identifiers("x:CertSubjectDNAttribute", "x:AttributeOID", "2.5.4.97")
            + "</s:otherCriteriaList>",
            (KeyPurposes(frozenset({"1.5"})), SubjectAttributes(frozenset({"2.5.4.97"}))),
        ),
        (
            "<s:Description>words</s:Description>" + a_list(POLICY, ' assert="none"'),
            (Criteria("none", (Policies(frozenset({"1.2.3", "1.2.4"})),)),),
        ),
    ],
)
def test_a_qualification_is_read_with_all_its_criteria(inside: str, understood: tuple[object, ...]) -> None:
    written = qualified(a_list(inside, ' assert="atLeastOne"'), SVC_INFO + "QCStatement", "urn:other")
    ((found,), left_out) = services(information(extensions=written))
    assert left_out == ()
    assert found.times[0].qualifications == (
        Qualification(
            qualifiers=frozenset({"QCStatement", "urn:other"}),
            criteria=Criteria("atLeastOne", understood),  # type: ignore[arg-type]
        ),
    )


def deep(levels: int) -> str:
    written = a_list(POLICY)
    for _ in range(levels):
        written = a_list(written)
    return written


NONE = SVC_INFO + "NotQualified"
LEFT_OUT = {
    "no kind": (information().replace("ServiceTypeIdentifier", "Other"), "ServiceTypeIdentifier stands 0 times"),
    "a kind that holds more": (information(kind="a<b/>"), "ServiceTypeIdentifier holds more than text"),
    "no identity": (information().replace("ServiceDigitalIdentity", "Other"), "ServiceDigitalIdentity stands 0 times"),
    "no moment": (information(since="2025-01-01"), "StatusStartingTime is no moment in UTC"),
    "a history in the future": (
        information()
        + f"<ServiceHistory>{information(tag='ServiceHistoryInstance', since='2025-01-02T00:00:00Z')}</ServiceHistory>",
        "its history is later than its present",
    ),
    "a critical extension": (
        information(extensions=extension("<Strange/>")),
        "the critical extension Strange is not known",
    ),
    "an extension that does not say": (
        information(extensions=extension("<Strange/>", "")),
        "the critical extension Strange is not known",
    ),
    "an extension that says it oddly": (
        information(extensions=extension("<Strange/>", ' Critical="perhaps"')),
        "the critical extension Strange is not known",
    ),
    "a stranger among the elements": (
        information(extensions=extension("<s:Qualifications><s:Odd/></s:Qualifications>")),
        "Odd in Qualifications is not known",
    ),
    "a stranger in a qualification": (
        information(extensions=qualified(a_list(POLICY) + "<s:Odd/>", NONE)),
        "Odd in QualificationElement is not known",
    ),
    "a stranger among the qualifiers": (
        information(extensions=qualified(a_list(POLICY), NONE).replace("</s:Qualifiers>", "<s:Odd/></s:Qualifiers>")),
        "Odd in Qualifiers is not known",
    ),
    "no qualifier": (information(extensions=qualified(a_list(POLICY))), "a qualification without a qualifier"),
    "no criteria": (information(extensions=qualified("", NONE)), "CriteriaList stands 0 times"),
    "criteria together in a strange way": (
        information(extensions=qualified(a_list(POLICY, ' assert="some"'), NONE)),
        "criteria that are combined in no known way",
    ),
    "criteria together in no way": (
        information(extensions=qualified(a_list(POLICY, ""), NONE)),
        "criteria that are combined in no known way",
    ),
    "criteria too deep": (information(extensions=qualified(deep(8), NONE)), "criteria within criteria within criteria"),
    "no criterion": (
        information(extensions=qualified(a_list("<s:Description/>"), NONE)),
        "a list of criteria without one",
    ),
    "a strange criterion": (information(extensions=qualified(a_list("<s:Odd/>"), NONE)), "the criterion Odd is not known"),
    "no bit": (information(extensions=qualified(a_list("<s:KeyUsage/>"), NONE)), "KeyUsage is empty"),
    "no policy": (information(extensions=qualified(a_list("<s:PolicySet/>"), NONE)), "PolicySet is empty"),
    "nothing other": (
        information(extensions=qualified(a_list("<s:otherCriteriaList/>"), NONE)),
        "otherCriteriaList is empty",
    ),
    "something else among the others": (
        information(extensions=qualified(a_list("<s:otherCriteriaList><s:Odd/></s:otherCriteriaList>"), NONE)),
        "Odd in otherCriteriaList is not known",
    ),
    "no purpose": (
        information(extensions=qualified(a_list("<s:otherCriteriaList><x:ExtendedKeyUsage/></s:otherCriteriaList>"), NONE)),
        "ExtendedKeyUsage is empty",
    ),
    "no attribute": (
        information(
            extensions=qualified(a_list("<s:otherCriteriaList><x:CertSubjectDNAttribute/></s:otherCriteriaList>"), NONE)
        ),
        "CertSubjectDNAttribute is empty",
    ),
    "a strange bit": (
        information(extensions=qualified(a_list('<s:KeyUsage><s:KeyUsageBit name="odd">1</s:KeyUsageBit></s:KeyUsage>'), NONE)),
        "a key usage that is not known",
    ),
    "a bit without a name": (
        information(extensions=qualified(a_list("<s:KeyUsage><s:KeyUsageBit>1</s:KeyUsageBit></s:KeyUsage>"), NONE)),
        "a key usage that is not known",
    ),
    "a bit that is neither": (
        information(extensions=qualified(a_list('<s:KeyUsage><s:KeyUsageBit name="crlSign">2</s:KeyUsageBit></s:KeyUsage>'), NONE)),
        "a key usage that is not known",
    ),
    "no identifier": (
        information(extensions=qualified(a_list(identifiers("s:PolicySet", "s:PolicyIdentifier", "1.x")), NONE)),
        "PolicyIdentifier is no object identifier",
    ),
    "digits of another script": (
        information(extensions=qualified(a_list(identifiers("s:PolicySet", "s:PolicyIdentifier", "1.٢")), NONE)),
        "PolicyIdentifier is no object identifier",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_service_that_is_not_understood_whole_is_left_out_in_so_many_words(name: str) -> None:
    inside, why = LEFT_OUT[name]
    assert services(inside) == ((), (f"The CA: {why}",))


def test_criteria_may_be_as_deep_as_eight() -> None:
    ((found,), left_out) = services(information(extensions=qualified(deep(7), NONE)))
    assert left_out == ()
    assert len(found.times[0].qualifications) == 1


@pytest.mark.parametrize(
    ("content", "critical"),
    [
        ("<Strange/>", ' Critical="false"'),
        ("<Strange/>", ' Critical="0"'),
        ("<ExpiredCertsRevocationInfo/>", ' Critical="true"'),
        ("<x:TakenOverBy/>", ' Critical="1"'),
        ("<!-- a comment -->", ' Critical="true"'),
        ("", ' Critical="true"'),
    ],
)
def test_what_is_not_critical_or_says_nothing_of_certificates_is_passed_over(content: str, critical: str) -> None:
    both = extension(content, critical) + FOR_BOTH
    inside = extension(content + POLICY.replace("s:PolicySet", "ExpiredCertsRevocationInfo"), critical)
    for written in (both, inside + FOR_BOTH):
        ((found,), left_out) = services(information(extensions=written))
        assert left_out == ()
        assert found.times[0].purposes == {Purpose.SIGNATURES, Purpose.SEALS}


def test_two_states_of_one_moment_are_put_in_some_order() -> None:
    past = information(tag="ServiceHistoryInstance", since="2022-01-01T00:00:00Z")
    ((found,), left_out) = services(information() + f"<ServiceHistory>{past}{past}</ServiceHistory>")
    assert left_out == ()
    assert [(it.since.year, it.until.year) for it in found.times] == [(2025, 2026), (2022, 2025), (2022, 2022)]


def test_what_stands_beside_a_name_in_an_identifier_or_a_purpose_does_not_matter() -> None:
    both = f"<AdditionalServiceInformation><URI>{SVC_INFO}ForeSeals</URI><InformationValue>x</InformationValue>"
    documented = POLICY.replace("</a:Identifier>", "</a:Identifier><a:Description>words</a:Description>")
    written = qualified(a_list(documented), NONE) + extension(both + "</AdditionalServiceInformation>")
    ((found,), left_out) = services(information(extensions=written))
    assert left_out == ()
    (time,) = found.times
    assert time.purposes == {Purpose.SEALS}
    assert time.qualifications[0].criteria.parts == (Policies(frozenset({"1.2.3", "1.2.4"})),)


def test_comments_among_criteria_are_none() -> None:
    commented = POLICY.replace("<s:PolicyIdentifier>", "<!-- x --><s:PolicyIdentifier>")
    ((found,), left_out) = services(information(extensions=qualified(a_list("<!-- y -->" + commented), NONE)))
    assert left_out == ()
    assert len(found.times[0].qualifications[0].criteria.parts) == 1


def test_an_extension_that_is_passed_over_hides_no_other_in_it() -> None:
    inside = extension("<ExpiredCertsRevocationInfo/><Strange/>")
    assert services(information(extensions=inside)) == (
        (),
        ("The CA: the critical extension Strange is not known",),
    )


def test_parts_are_asked_for_by_their_names() -> None:
    parent = etree.fromstring("<p><a> 1 </a><b>2026-01-01T13:00:00+01:00</b><c>x</c><c/></p>")
    assert one(parent, "a").tag == "a"
    assert text_of(parent, "a") == "1"
    assert moment_of(parent, "b") == AT
    for ask, tag, why in (
        (one, "c", "c stands 2 times"),
        (text_of, "d", "d stands 0 times"),
        (moment_of, "a", "a is no moment in UTC"),
    ):
        with pytest.raises(NotUnderstood, match=f"^{why}$"):
            ask(parent, tag)
