"""What a hostile document may cost: no more than a small multiple of its size, whoever signed it.

Costs are counted in calls and octets, not in time.
"""

from __future__ import annotations

import hashlib
import re

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree

from adapters.testkit.signer import sign
from adapters.testkit.signing.recipe import EXCLUSIVE
from broker import vocabulary
from broker.parse import Limits, read
from broker.verify import c14n, explain, shape
from broker.verify.algorithms import EXCLUSIVE as EXCLUSIVE_METHOD
from broker.verify.algorithms import INCLUSIVE, Method
from broker.verify.c14n import Canon
from broker.verify.fault import Fault
from broker.verify.identity import from_subject
from tests.corpus.verify.scene import AT, PKI, judged

OWN = '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'


def crowded(form: bytes, *, signatures: int, references: int, lists: bool = False) -> bytes:
    """The form with signatures whose References all fail; each with a canonicalisation of its own if `lists`."""
    found = re.search("<ds:Signature .*</ds:Signature>", sign(b"<r/>", PKI.stranger, AT).decode(), re.DOTALL)
    assert found
    out = ""
    for number in range(signatures):
        written = "".join(
            f'<ds:Reference URI=""><ds:Transforms>{OWN}<ds:Transform Algorithm="{EXCLUSIVE}">'
            + (f'<c:InclusiveNamespaces xmlns:c="{EXCLUSIVE}" PrefixList="p{number}-{each}"/>' if lists else "")
            + '</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
            f"<ds:DigestValue>{'A' * 43}=</ds:DigestValue></ds:Reference>"
            for each in range(references)
        )
        one = re.sub("<ds:Reference.*</ds:Reference>", written, found[0], flags=re.DOTALL)
        out += re.sub('(Id="[^"]*|Target="[^"]*)', rf"\g<1>-{number}", one)
    return form.replace(b"</r>", out.encode() + b"</r>")


def counted(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> list[object]:
    calls: list[object] = []
    true = getattr(module, name)

    def count(*args: object, **how: object) -> object:
        calls.append(args)
        return true(*args, **how)

    monkeypatch.setattr(module, name, count)
    return calls


def test_a_document_of_comments_is_walked_through_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its octets are few, and each of 400 References wants it canonicalised in a way of its own."""
    document = crowded(b"<r>" + b"<!---->" * 19_000 + b"</r>", signatures=20, references=20, lists=True)
    assert len(document) < 1_200_000
    copies, walks = counted(monkeypatch, c14n, "deepcopy"), counted(monkeypatch, c14n, "_octets")
    assert judged(document).code == "verify.digest-mismatch"
    assert len(walks) < 8
    assert len(copies) < 8


def test_guesses_at_what_happened_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    document = crowded(b"<r>" + b"<a/>" * 2_000 + b"</r>", signatures=2, references=20)
    guesses = counted(monkeypatch, explain, "_unindented")
    assert judged(document).signatures[0].hint == explain.CHANGED
    assert 0 < len(guesses) < 5


def test_the_same_octets_are_digested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    canon = Canon(read(b"<r/>", Limits()), budget=100)
    digests = counted(monkeypatch, c14n.hashlib, "new")
    octets = canon.document(EXCLUSIVE_METHOD, ())
    assert {canon.digest("sha256", octets) for _ in range(9)} == {hashlib.sha256(octets).digest()}
    assert canon.digest("sha512", octets) == hashlib.sha512(octets).digest()
    assert len(digests) == 2


def test_the_whole_document_costs_its_floor_at_least_and_nothing_is_paid_back() -> None:
    canon = Canon(read(b"<r><a/></r>", Limits()), budget=2_000, floor=1_000)
    canon.document(INCLUSIVE, ())
    canon.document(INCLUSIVE, ())
    canon.document(EXCLUSIVE_METHOD, ())
    with pytest.raises(Fault, match=r"verify\.too-costly"):
        canon.document(INCLUSIVE, (), alone=True)


@pytest.mark.parametrize(("floor", "cost"), [(0, 12), (5, 12), (12, 12), (13, 13), (40, 40)])
def test_a_document_costs_its_octets_or_its_floor_whichever_is_more(floor: int, cost: int) -> None:
    root = read(b"<r>12345</r>", Limits())
    assert len(Canon(root, budget=cost, floor=floor).document(INCLUSIVE, ())) == 12
    with pytest.raises(Fault) as caught:
        Canon(root, budget=cost - 1, floor=floor).document(INCLUSIVE, ())
    assert caught.value.code == "verify.too-costly"


def test_what_is_left_out_is_cut_out_of_one_copy_however_often_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = counted(monkeypatch, c14n, "deepcopy")
    canon = Canon(read(b"<r xmlns:n='urn:n'>1<a/>2<b/>3</r>", Limits()), budget=1_000)
    assert canon.document(INCLUSIVE, (0,)) == b'<r xmlns:n="urn:n">12<b></b>3</r>'
    assert canon.document(EXCLUSIVE_METHOD, (0,)) == b"<r>12<b></b>3</r>"
    assert len(copies) == 1
    assert canon.document(INCLUSIVE, (0, 1)) == b'<r xmlns:n="urn:n">123</r>'
    assert canon.document(INCLUSIVE, ()) == b'<r xmlns:n="urn:n">1<a></a>2<b></b>3</r>'
    assert len(copies) == 2


def test_a_large_document_is_not_too_costly_for_its_size() -> None:
    form = b"<r>" + b"<a>%s</a>" % (b"text " * 20) * 20_000 + b"</r>"
    assert judged(sign(form, PKI.person, AT)).code == ""


def test_a_part_costs_what_it_takes_to_write_it() -> None:
    root = read(b"<r><a>" + b"<!---->" * 100 + b"</a></r>", Limits())
    canon = Canon(root, budget=1_000)
    assert canon.element(root[0], EXCLUSIVE_METHOD) == b"<a></a>"
    with pytest.raises(Fault, match=r"verify\.too-costly"):
        canon.element(root[0], EXCLUSIVE_METHOD)


@pytest.mark.parametrize("text", [10, 400_000], ids=["short", "long"])
def test_the_default_namespace_may_be_listed_in_documents_of_any_length(text: int) -> None:
    """A long document is parsed in a thread of its own, where nobody has made `#default` known."""
    root = read(b'<n:r xmlns="urn:d" xmlns:n="urn:n">' + b"x" * text + b"</n:r>", Limits())
    method = Method(EXCLUSIVE_METHOD.uri, exclusive=True, prefixes=("#default",))
    octets = Canon(root, budget=1_000_000).document(method, ())
    assert octets.startswith(b'<n:r xmlns="urn:d" xmlns:n="urn:n">')


def test_judging_leaves_no_strange_names_in_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """lxml's copies take the names along: where there is no room for them, the whole judgement happens apart."""
    apart = counted(monkeypatch, vocabulary, "apart")
    document = sign(b"<r><known/></r>", PKI.person, AT)
    assert judged(document) == judged(document)
    assert not apart
    monkeypatch.setattr(vocabulary.VOCABULARY, "room", 0)
    strange = b"".join(b"<n%d/>" % number for number in range(10))
    report = judged(sign(b"<r>" + strange + b"</r>", PKI.person, AT))
    assert (report.code, len(apart)) == ("", 1)
    assert len(judged(b"<r>" + b"x" * 300_000 + b"</r>").signatures) == 0
    assert len(apart) == 2


@pytest.mark.parametrize(
    ("serial", "pesel"),
    [
        ("PNOPL-90010100016", "90010100016"),
        ("PESEL: 90010100016", "90010100016"),
        ("PNOPL-900101000161", ""),
        ("PNOPL-٩٠٠١٠١٠٠٠١٦", ""),
        ("90010100016", ""),
    ],
)
def test_a_number_is_eleven_digits_and_no_more(serial: str, pesel: str) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, serial)])
    assert from_subject(subject).pesel == pesel


def test_a_name_of_many_promises_is_read_in_one_go() -> None:
    """Each of 100,000 names of a number might have a number behind it, and none has."""
    subject = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, "PESEL" * 100_000, _validate=False)])
    assert from_subject(subject).pesel == ""


def test_what_stands_in_an_inner_object_is_looked_at_but_once() -> None:
    inner = b"<ds:Object>" + b"<xades:SignedProperties/>" * 1_000 + b"</ds:Object>"
    root = etree.fromstring(
        b'<r xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xades="http://uri.etsi.org/01903/v1.3.2#">'
        + inner
        + b"<a><b/></a></r>"
    )
    assert [it.tag for it in shape._outside_objects(root)] == ["a", "b"]
