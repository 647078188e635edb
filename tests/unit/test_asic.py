"""The layout of a container: one form for every set of files, and nothing else is read."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.testkit.signing.canonical import tree
from broker import asic
from broker.asic import ContainedFile, Unsigned

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ODF = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}"

parts = st.text("abcłŻ.-_ %&'<>;=+#@~1", min_size=1, max_size=8).filter(
    lambda it: it == it.strip() and it not in {".", ".."} and not set(it) & set("<>")
)
names = st.lists(parts, min_size=1, max_size=3).map("/".join)
types = st.text("abc/;= <&>\"'Żół", min_size=1, max_size=20).map(str.strip).filter(bool)
files = st.builds(ContainedFile, name=names, media_type=types, sha256=st.binary(min_size=32, max_size=32))
sets = st.lists(files, min_size=1, max_size=6, unique_by=lambda it: it.name.casefold()).filter(
    lambda some: fits([it.name for it in some])
)
unsigned = st.builds(
    Unsigned,
    files=sets.map(tuple),
    chain=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=3).map(tuple),
    at=st.integers(0, 10**10).map(lambda it: datetime.fromtimestamp(it, UTC)),
    method=st.sampled_from((RSA, RSA.replace("rsa", "ecdsa"))),
)
values = st.binary(min_size=1, max_size=80)


def fits(some):
    try:
        asic.require_names(some)
    except ValueError:
        return False
    return True


@given(unsigned, values, st.one_of(st.just(b""), values))
def test_what_is_laid_out_is_read_back(it, value, token):
    read = asic.read(it.signed(value, token))
    assert (read.unsigned, read.value, read.token) == (it, value, token)


@given(unsigned, values, values)
def test_a_time_stamp_changes_neither_what_is_signed_nor_what_is_stamped(it, value, token):
    plain, stamped = (asic.read(it.signed(value, one)) for one in (b"", token))
    assert stamped.unsigned.to_sign == plain.unsigned.to_sign
    assert stamped.to_stamp == plain.to_stamp
    held = tree(it.signed(value, token)).find(".//{*}SignatureValue")
    assert etree.tostring(held, method="c14n", exclusive=True) == stamped.to_stamp


@given(unsigned, values)
def test_what_is_signed_is_the_signed_info_that_stands_in_the_file(it, value):
    root = tree(it.signed(value))
    info, properties = root.find(".//{*}SignedInfo"), root.find(".//{*}SignedProperties")
    assert etree.tostring(info, method="c14n", exclusive=True) == it.to_sign
    digest = hashlib.sha256(etree.tostring(properties, method="c14n", exclusive=True)).digest()
    assert info[-1].find("{*}DigestValue").text == asic._base64(digest)


@given(unsigned, values, st.data())
def test_no_other_octets_are_read_as_the_same(it, value, data):
    octets = it.signed(value)
    place = data.draw(st.integers(0, len(octets) - 1))
    other = octets[:place] + data.draw(st.binary(max_size=3)) + octets[place + data.draw(st.integers(0, 2)) :]
    try:
        read = asic.read(other)
    except ValueError:
        return
    assert read.unsigned.signed(read.value, read.token) == other
    assert (other == octets) == ((read.unsigned, read.value, read.token) == (it, value, b""))


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.replace(b"</ds:SignedInfo>", b"</ds:SignedInfo> "),
        lambda it: it.replace(b"</asic:XAdESSignatures>", b"<!--x--></asic:XAdESSignatures>"),
        lambda it: it.replace(b"</ds:Object>", b"</ds:Object><ds:Object>hidden</ds:Object>"),
        lambda it: it.replace(b"</ds:KeyInfo>", b"<ds:KeyName>me</ds:KeyName></ds:KeyInfo>"),
        lambda it: it.replace(b'URI="a.xml"', b'URI="%61.xml"'),
        lambda it: it.replace(b"<?xml ", b"<?xml  "),
        lambda it: it + b"\n",
        lambda it: it[40:],
        lambda _: b"",
        lambda _: b"<a/>",
        lambda it: it[: it.index(b"<ds:Signature ")] + b"</asic:XAdESSignatures>",
    ],
)
def test_what_is_written_in_another_way_is_not_read(change):
    it = Unsigned(
        files=(ContainedFile(name="a.xml", media_type="text/xml", sha256=b"1" * 32),), chain=(b"c",), at=AT, method=RSA
    )
    octets = it.signed(b"value")
    assert change(octets) != octets
    with pytest.raises(ValueError, match=r"container|Base64"):
        asic.read(change(octets))


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [""],
        ["/a"],
        ["a/"],
        ["a//b"],
        ["../a"],
        ["a/./b"],
        ["a\\b"],
        ["C:a"],
        ["a\nb"],
        ["a\u202eb"],
        ["a "],
        ["mimetype"],
        ["MIMETYPE"],
        ["META-INF/a"],
        ["meta-inf/manifest.xml"],
        ["a", "A"],
        ["a", "a"],
        ["a", "a/b"],
        ["z\u0301"],
        ["x" * 201],
        [f"f{number}" for number in range(asic.MOST + 1)],
    ],
    ids=repr,
)
def test_names_that_cannot_stand_beside_one_another_anywhere_are_refused(bad):
    with pytest.raises(ValueError, match="container"):
        asic.require_names(bad)


@given(sets)
def test_the_manifest_names_the_container_and_each_file_with_its_type(some):
    entries = list(tree(asic.manifest(some)))
    told = [(it.get(f"{ODF}full-path"), it.get(f"{ODF}media-type")) for it in entries]
    assert told == [("/", asic.CONTAINER), *((it.name, it.media_type) for it in some)]


def test_every_file_of_the_greatest_container_is_read_back():
    many = tuple(
        ContainedFile(name=f"{number:04}" + "ż" * 190, media_type="application/json", sha256=bytes(32))
        for number in range(asic.MOST)
    )
    it = Unsigned(files=many, chain=(b"c" * 2000,), at=AT, method=RSA)
    assert asic.read(it.signed(b"v")).unsigned == it


def test_another_set_of_files_is_another_thing_to_sign():
    one = ContainedFile(name="a", media_type="t", sha256=bytes(32))
    it = Unsigned(files=(one,), chain=(b"c",), at=AT, method=RSA)
    others = [
        replace(it, files=(replace(one, name="b"),)),
        replace(it, files=(replace(one, media_type="u"),)),
        replace(it, files=(replace(one, sha256=b"1" * 32),)),
        replace(it, chain=(b"d",)),
        replace(it, at=AT.replace(year=2027)),
    ]
    assert len({each.to_sign for each in (it, *others)}) == 6
