"""Every report of the corpus, as XML, obeys its schema and says what its JSON says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import QUALIFIED
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import Tsa
from broker.evidence import UNSIGNED, to_json
from broker.evidence_xml import NAMESPACE, to_xml
from tests.corpus.verify.attacks import ATTACKS
from tests.corpus.verify.refused import REFUSED
from tests.corpus.verify.scene import AT, FORM, PKI, judged

TEXT = (Path(__file__).parents[3] / "schemas/receipts/verification-report.xsd").read_bytes()
SCHEMA = etree.XMLSchema(etree.fromstring(TEXT))
NS = f"{{{NAMESPACE}}}"
LISTS = {
    *("Signatures", "References", "Transforms", "Path", "PathSha256", "Services", "Tried", "TimeStamps", "Extensions"),
    "CounterSignatures",
}
GOOD = {
    "good-qualified": lambda: sign(FORM, PKI.person, AT, QUALIFIED),
    "good-platform": lambda: sign_on_platform(FORM, PKI.platform, PKI.person.person, AT),
    "good-countersigned": lambda: countersign(sign(FORM, PKI.person, AT), PKI.other_person, AT),
    "good-stamped": lambda: stamp(sign(FORM, PKI.person, AT), Tsa.of(PKI.local_ca, AT).token),
}
ALL = {**{name: make for name, (_, make) in {**REFUSED, **ATTACKS}.items()}, **GOOD}


def plain(element: etree._Element, *, outer: str = "") -> object:
    """What an element says, as the JSON would say it."""
    name = etree.QName(element).localname
    children = list(element)
    if name in LISTS or (name == "Revocation" and outer != "VerificationReport"):
        return [plain(child, outer=name) for child in children]
    if not children:
        return {"true": True, "false": False}.get(element.text or "", element.text or "")
    return {etree.QName(child).localname: plain(child, outer=name) for child in children}


def camel(value: object) -> object:
    if isinstance(value, dict):
        kept = {key: it for key, it in value.items() if it not in ("", None, [], {}) or (key, it) == ("uri", "")}
        return {"".join(word.capitalize() for word in key.split("_")): camel(it) for key, it in kept.items()}
    return [camel(it) for it in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_report_as_xml_obeys_its_schema_and_says_the_same(name: str) -> None:
    report = to_json(judged(ALL[name]()))
    xml = to_xml(report)
    root = etree.fromstring(xml)
    SCHEMA.assertValid(root)
    assert plain(root) == camel(json.loads(report))
    assert to_xml(report) == xml


def test_a_reference_to_the_document_is_not_one_that_names_nothing() -> None:
    whole = sign(FORM, PKI.person, AT, QUALIFIED)
    nameless = whole.replace(b' URI=""', b"", 1)
    for document, said in ((whole, ""), (nameless, None)):
        report = to_json(judged(document))
        (first, *_) = json.loads(report)["signatures"][0]["references"]
        assert first["uri"] == said
        root = etree.fromstring(to_xml(report))
        SCHEMA.assertValid(root)
        (reference, *_) = root.iter(f"{NS}Reference")
        written = reference.find(f"{NS}Uri")
        assert (written is not None) == (said is not None)


def test_a_report_of_an_earlier_version_can_still_be_written_as_xml() -> None:
    report = json.loads(to_json(judged(sign(FORM, PKI.person, AT, QUALIFIED))))
    for it in report["signatures"]:
        del it["path_sha256"], it["anchor"]
    root = etree.fromstring(to_xml(json.dumps(report).encode()))
    SCHEMA.assertValid(root)
    assert root.find(f".//{NS}Path") is not None


def test_a_document_without_a_signature_has_a_report_too() -> None:
    root = etree.fromstring(to_xml(to_json(UNSIGNED)))
    SCHEMA.assertValid(root)
    assert root.findtext(f"{NS}Indication") == "TOTAL-PASSED"


def test_what_xml_cannot_hold_is_replaced() -> None:
    report = json.loads(to_json(UNSIGNED)) | {"place": "a\x00b\ud800"}
    root = etree.fromstring(to_xml(json.dumps(report).encode()))
    assert root.findtext(f"{NS}Place") == "a\ufffdb\ufffd"
