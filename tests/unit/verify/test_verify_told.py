"""What a sender is told of a refusal: not only that something is wrong, but which thing, in words fit to be told."""

from __future__ import annotations

import pytest

from adapters.testkit.signing.recipe import EXCLUSIVE
from adapters.testkit.signing.template import reference
from broker.errors import Rejection
from broker.evidence import LONGEST_FACT, Report, explanation, told
from broker.texts import explain, hint
from tests.corpus.verify.recipes import Maker, also, edited, rewritten, transform
from tests.corpus.verify.refused import REFUSED
from tests.corpus.verify.scene import judged


def words(report: Report, language: str = "en") -> str:
    return explain(Rejection(report.code, facts=explanation(report)), language)


LONG = "http://example.test/" + "a" * 200
CUT = LONG[: LONGEST_FACT - 1] + "…"


@pytest.mark.parametrize(
    ("maker", "code", "facts"),
    [
        (
            edited(r"<Ulica>(.*?)<Kod>", r'<Ulica Id="one">\1\n<Kod ID="one">'),
            "verify.duplicate-id",
            {"id": "one", "line": "5", "other": "6"},
        ),
        (
            edited("(<Cyfry>)", r'\1<s:Signature xmlns:s="http://www.w3.org/2000/09/xmldsig#"/>'),
            "verify.signature-misplaced",
            {"line": "5"},
        ),
        (transform("urn:a-transform"), "verify.transform-unknown", {"algorithm": "urn:a-transform"}),
        (
            edited('(<ds:CanonicalizationMethod Algorithm=)"[^"]*"', r'\1"urn:a-method"'),
            "verify.c14n-unknown",
            {"algorithm": "urn:a-method"},
        ),
        (
            rewritten('(<ds:DigestMethod Algorithm=)"[^"]*"', r'\1"urn:a-digest"'),
            "verify.digest-unknown",
            {"algorithm": "urn:a-digest"},
        ),
        (transform(""), "verify.transform-unknown", {"algorithm": "-"}),
        (rewritten("<ds:Transform Algorithm=[^>]*>", "<ds:Transform>"), "verify.transform-unknown", {"algorithm": "-"}),
        (
            edited('<ds:CanonicalizationMethod Algorithm="[^"]*"', "<ds:CanonicalizationMethod"),
            "verify.c14n-unknown",
            {"algorithm": "-"},
        ),
        (
            rewritten("<ds:DigestMethod Algorithm=[^>]*/>", "<ds:DigestMethod/>"),
            "verify.digest-unknown",
            {"algorithm": "-"},
        ),
        (
            rewritten(' Type="http://uri.etsi.org/01903#SignedProperties"', ""),
            "verify.signed-properties-type",
            {"type": "-"},
        ),
        (
            rewritten("(http://uri.etsi.org/01903)(#SignedProperties)", r"\1/v1.1.1\2"),
            "verify.signed-properties-type",
            {"type": "http://uri.etsi.org/01903/v1.1.1#SignedProperties"},
        ),
        (also("http://example.test/x"), "verify.reference-http", {"uri": "http://example.test/x"}),
        (also("file:///etc/passwd"), "verify.reference-file", {"uri": "file:///etc/passwd"}),
        (also("other.xml"), "verify.reference-external", {"uri": "other.xml"}),
        (also(LONG), "verify.reference-http", {"uri": CUT}),
        (also("http://example.test/\u202ex"), "verify.reference-http", {"uri": "http://example.test/\ufffdx"}),
        (
            rewritten("</ds:Signature>", "<ds:Object><wnio:Kwota>9</wnio:Kwota></ds:Object></ds:Signature>"),
            "verify.object-unknown",
            {"element": "Kwota"},
        ),
        (
            rewritten("(</xades:QualifyingProperties>)", r"\1a promise"),
            "verify.object-unknown",
            {"element": "text()"},
        ),
        (
            edited("(</ds:X509Data>)", r"\1<wnio:Kwota>9</wnio:Kwota>"),
            "verify.foreign-unsigned",
            {"element": "Kwota", "line": "7"},
        ),
        (
            rewritten("(</ds:KeyInfo>)", r"\1<ds:Extra/>"),
            "verify.signature-malformed",
            {"part": "ds:Signature"},
        ),
        (
            rewritten("(<ds:SignatureValue.*?</ds:SignatureValue>)(<ds:KeyInfo.*</ds:KeyInfo>)", r"\2\1"),
            "verify.signature-malformed",
            {"part": "ds:Signature"},
        ),
        (
            edited("(<ds:KeyInfo.*</ds:KeyInfo>)(<ds:Object.*</ds:Object>)", r"\2\1"),
            "verify.signature-malformed",
            {"part": "ds:Signature"},
        ),
        (
            rewritten("(<ds:SignatureMethod[^>]*>)", r"\1<ds:Extra/>"),
            "verify.signature-malformed",
            {"part": "ds:SignedInfo"},
        ),
        (
            rewritten("(<ds:CanonicalizationMethod[^>]*>)", r"\1\1"),
            "verify.signature-malformed",
            {"part": "ds:SignedInfo"},
        ),
        (
            rewritten("(<ds:DigestMethod[^>]*>)", r"\1<ds:Extra/>"),
            "verify.signature-malformed",
            {"part": "ds:Reference"},
        ),
        (
            rewritten("(</ds:Transforms>)", r"<ds:Extra/>\1"),
            "verify.signature-malformed",
            {"part": "ds:Transforms"},
        ),
    ],
)
def test_the_thing_that_is_wrong_is_named(maker: Maker, code: str, facts: dict[str, str]) -> None:
    report = judged(maker())
    assert (report.code, report.facts) == (code, facts)
    assert all(signature.facts == facts for signature in report.signatures if signature.code == code)
    for language in ("pl", "en"):
        assert [fact for fact in facts.values() if fact not in words(report, language)] == []


@pytest.mark.parametrize("name", sorted(name for name in REFUSED if name.startswith("xades-malformed")))
def test_of_the_properties_the_part_is_named_that_is_malformed(name: str) -> None:
    report = judged(REFUSED[name][1]())
    assert report.facts == {"part": report.place.partition("/")[2]}
    assert report.facts["part"] in words(report)


def test_a_fact_is_cut_where_it_is_too_long_and_shows_only_what_can_be_seen() -> None:
    longest = "a" * LONGEST_FACT
    assert (told(longest), told(longest + "b")) == (longest, longest[1:] + "…")
    assert told("zażółć gęślą\n\x00\u202e\u2028") == "zażółć gęślą\ufffd\ufffd\ufffd\ufffd"


@pytest.mark.parametrize("language", ["pl", "en"])
def test_who_signs_by_xpath_filter_2_is_told_what_to_set(language: str) -> None:
    said = hint("verify.transform-filter2", language)
    assert "enveloped-signature" in said
    assert "not(ancestor-or-self::ds:Signature)" in said


def test_of_two_references_that_do_not_hold_the_one_is_told_that_decides() -> None:
    elsewhere = reference("http://example.test/x", (EXCLUSIVE,), "sha256")
    report = judged(rewritten("(<ds:Reference )", rf"{elsewhere}\1")().replace(b">100<", b">900<"))
    assert (report.code, report.place) == ("verify.digest-mismatch", "ds:Signature[1]/ds:Reference[2]")
    first, second, _ = report.signatures[0].references
    assert (first.uri, second.uri, first.holds, second.holds) == ("http://example.test/x", "", False, False)
    facts = explanation(report)
    assert (facts["reference"], facts["expected"], facts["actual"]) == ("", second.expected, second.actual)


SIGNATURE = "<s:Signature xmlns:s='http://www.w3.org/2000/09/xmldsig#'/>"


@pytest.mark.parametrize(
    ("first", "second", "facts"),
    [
        ("", f"<b>{SIGNATURE}</b>", {"line": "65535+"}),
        ("<b Id='x'/>", "<b Id='x'/>", {"id": "x", "line": "1", "other": "65535+"}),
        ("", "<b Id='x'/><b Id='x'/>", {"id": "x", "line": "65535+", "other": "65535+"}),
    ],
)
def test_a_line_that_is_too_far_down_to_be_known_is_told_as_such(
    first: str, second: str, facts: dict[str, str]
) -> None:
    signature = SIGNATURE if first or "Id" in second else ""
    far = "\n" * 70_000
    report = judged(f"<a>{first}{far}{second}{signature}</a>".encode())
    assert report.facts == facts
