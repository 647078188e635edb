"""The suite that every seal passes, an integrator's too.

    class TestMySeal(SealSuite):
        @pytest.fixture
        def harness(self):
            ...  # yield a SealHarness

signxml is the judge here: it shares the signing code of the built-in seals, but not their parsing or canonical
form; xmlsec1, which shares nothing, judges in `tests/interop`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import unquote

import pytest
from cryptography import x509
from lxml import etree
from signxml.exceptions import InvalidSignature
from signxml.xades.xades import XAdESVerifier

from adapters.testkit.signing.canonical import tree
from broker import asic
from broker.asic import ContainedFile, ContainerSeal
from broker.errors import Unavailable
from broker.ports import Seal

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_XADES = "{http://uri.etsi.org/01903/v1.3.2#}"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"

UNSIGNED = '<p:Doc xmlns:p="urn:p" b="2" a="1"><p:Text>Zażółć &lt;gęślą&gt; &amp; jaźń</p:Text></p:Doc>'.encode()
CONTENTS = {"document.xml": b"<pismo/>", "folder/zażółć 100%.txt": b"", "receipt.xml": b"<UPP/>\r\n"}
FILES = tuple(
    ContainedFile(name=name, media_type="text/plain; charset=UTF-8", sha256=hashlib.sha256(content).digest())
    for name, content in CONTENTS.items()
)


class _Both(Seal, ContainerSeal, Protocol):
    """A seal as the built-in kinds make them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealHarness:
    """One seal, its certificate, and a way to put its key out of reach (or its certificate out of date)."""

    seal: _Both
    certificate: x509.Certificate
    take_away: Callable[[], None]


def judged(sealed: bytes, certificate: x509.Certificate) -> Any:
    """Return signxml's verdict; raise InvalidSignature if it has a bad one."""
    return XAdESVerifier().verify(sealed, x509_cert=certificate, validate_schema=True)


def files_judged(signatures: bytes, certificate: x509.Certificate, contents: Mapping[str, bytes]) -> list[bytes]:
    """Return the octets that signxml finds signed by a container's signature; raise InvalidSignature if it is bad."""
    found = XAdESVerifier().verify(
        tree(signatures),
        x509_cert=certificate,
        validate_schema=True,
        expect_references=len(contents) + 1,
        uri_resolver=lambda uri: contents[unquote(uri)],
    )
    return [one.signed_data for one in found]


class SealSuite:
    """What `broker.ports.Seal` promises."""

    def test_the_signature_holds_and_is_the_roots_last_child(self, harness: SealHarness) -> None:
        """An enveloped XAdES signature that binds its certificate."""
        sealed = harness.seal.seal(UNSIGNED)
        judged(sealed, harness.certificate)
        root = tree(sealed)
        assert root[-1].tag == f"{_DS}Signature"
        assert len(list(root.iter(f"{_DS}Signature"))) == 1
        assert root.find(f".//{_XADES}SigningCertificateV2") is not None

    def test_what_was_sealed_is_what_was_given(self, harness: SealHarness) -> None:
        """But for the signature, the octets are those of the unsigned text."""
        root = tree(harness.seal.seal(UNSIGNED))
        root.remove(root[-1])
        assert etree.tostring(root, method="c14n") == etree.tostring(tree(UNSIGNED), method="c14n")

    def test_every_reference_says_how_it_was_canonicalised(self, harness: SealHarness) -> None:
        """Readers canonicalise inclusively where nothing is said."""
        for reference in tree(harness.seal.seal(UNSIGNED)).iter(f"{_DS}Reference"):
            last = list(reference.iter(f"{_DS}Transform"))[-1]
            assert last.get("Algorithm") == _EXCLUSIVE

    def test_a_changed_octet_breaks_it(self, harness: SealHarness) -> None:
        """The judge of this suite does say no."""
        sealed = harness.seal.seal(UNSIGNED)
        with pytest.raises(InvalidSignature):
            judged(sealed.replace(b'a="1"', b'a="7"'), harness.certificate)

    def test_many_threads_seal_at_once(self, harness: SealHarness) -> None:
        """Each gets its own document back, and each holds."""
        texts = [UNSIGNED.replace(b"Text>", f"Text{n}>".encode()) for n in range(40)]
        with ThreadPoolExecutor(8) as pool:
            sealed = list(pool.map(harness.seal.seal, texts))
        for number, one in enumerate(sealed):
            judged(one, harness.certificate)
            assert f"Text{number}>".encode() in one

    def test_a_text_that_cannot_be_sealed_is_nobodys_fault(self, harness: SealHarness) -> None:
        """A Rejection would blame the sender for what the broker wrote."""
        for broken in (b"", b"<a>", b"<!DOCTYPE a><a/>"):
            with pytest.raises(Unavailable):
                harness.seal.seal(broken)

    def test_a_seal_out_of_reach_is_unavailable(self, harness: SealHarness) -> None:
        """Never a receipt that proves nothing, never another kind of error."""
        harness.take_away()
        with pytest.raises(Unavailable):
            harness.seal.seal(UNSIGNED)

    # ── on containers ──

    def test_the_seal_on_a_container_covers_each_of_its_files(self, harness: SealHarness) -> None:
        """A detached XAdES signature that names every file, its type and its digest."""
        signatures = harness.seal.seal_files(FILES)
        assert files_judged(signatures, harness.certificate, CONTENTS)[:-1] == list(CONTENTS.values())
        assert asic.read(signatures).unsigned.files == FILES

    def test_a_changed_file_breaks_the_seal_on_a_container(self, harness: SealHarness) -> None:
        """Whichever file it is."""
        signatures = harness.seal.seal_files(FILES)
        for name in CONTENTS:
            with pytest.raises(InvalidSignature):
                files_judged(signatures, harness.certificate, {**CONTENTS, name: b"changed"})

    def test_a_changed_property_breaks_the_seal_on_a_container(self, harness: SealHarness) -> None:
        """The type of a file, the moment."""
        signatures = harness.seal.seal_files(FILES)
        for old, new in ((b">text/plain;", b">text/xhtml;"), (b"SigningTime>20", b"SigningTime>19")):
            assert old in signatures
            with pytest.raises(InvalidSignature):
                files_judged(signatures.replace(old, new), harness.certificate, CONTENTS)

    def test_many_threads_seal_containers_at_once(self, harness: SealHarness) -> None:
        """Each gets the seal on its own files."""
        many = [
            [replace(file, sha256=hashlib.sha256(bytes([number])).digest()) for file in FILES] for number in range(20)
        ]
        with ThreadPoolExecutor(8) as pool:
            sealed = list(pool.map(harness.seal.seal_files, many))
        for number, one in enumerate(sealed):
            files_judged(one, harness.certificate, dict.fromkeys(CONTENTS, bytes([number])))

    def test_files_that_cannot_stand_in_a_container_are_unavailable(self, harness: SealHarness) -> None:
        """No seal on what would not be a container."""
        for files in ((), (FILES[0], FILES[0]), (replace(FILES[0], name="META-INF/manifest.xml"),)):
            with pytest.raises(Unavailable):
                harness.seal.seal_files(files)

    def test_a_seal_out_of_reach_seals_no_container(self, harness: SealHarness) -> None:
        """As it seals no receipt."""
        harness.take_away()
        with pytest.raises(Unavailable):
            harness.seal.seal_files(FILES)
