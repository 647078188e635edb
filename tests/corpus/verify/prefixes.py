"""Refused because a prefix that a value uses means nothing that was signed (decision 0026); and what is accepted beside.

Each form is signed by exclusive canonicalisation.  Where it says "rebound", a declaration was changed or added
afterwards, and every digest and the signature value are still right.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import replace
from functools import partial

from lxml import etree

from adapters.testkit.signer import sign
from adapters.testkit.signing.canonical import tree
from adapters.testkit.signing.recipe import (
    BASELINE,
    C14N,
    ENVELOPED,
    ENVELOPING,
    EXCLUSIVE,
    EXCLUSIVE_COMMENTS,
    QUALIFIED,
    XPATH,
    Recipe,
)
from adapters.testkit.signing.template import reference
from tests.corpus.verify.recipes import Family, Maker, edited, signed
from tests.corpus.verify.scene import AT, FORM, FORM_WITH_ID, PKI

expect = Family("prefixes")

_XSI = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_OFFICE = ' xmlns:o="urn:office"'
_SUM = "<wnio:Kwota>"
_BY_XPATH = replace(BASELINE, transforms=(XPATH, EXCLUSIVE))


def _form(*changes: tuple[str, str], form: bytes = FORM, xsi: str = _XSI, office: str = _OFFICE) -> bytes:
    """Return the form with a prefix declared on its root, and changes to its text."""
    text = form.decode().replace(" xmlns:unused=", f"{xsi}{office} xmlns:unused=")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text.encode()


_TYPED = _form((_SUM, '<wnio:Kwota xsi:type="o:Sum">'))
"""The prefix is declared on the root, and no name uses it."""
_SHOWN = _form((_SUM, '<wnio:Kwota o:a="" xsi:type="o:Sum">'))
"""The element itself uses it in a name: its declaration is in the octets."""
_UNPREFIXED = _form((_SUM, '<wnio:Kwota xsi:type="Sum">'))
"""There is no default namespace."""
_ABOVE = _form(("<Ulica>", '<Ulica xsi:type="wnio:Ulica">'))
"""The prefix is that of the root, and the element is of another namespace."""


# ── nothing was changed: the octets do not say what the prefix means ──

for _what, (_recipe, _content, _how) in {
    "declared-on-the-root": (BASELINE, _TYPED, {}),
    "with-comments": (replace(BASELINE, transforms=(ENVELOPED, EXCLUSIVE_COMMENTS)), _TYPED, {}),
    "xpath-and-exclusive": (_BY_XPATH, _TYPED, {}),
    "declared-on-the-element": (BASELINE, _form((_SUM, f'<wnio:Kwota{_OFFICE} xsi:type="o:Sum">'), office=""), {}),
    "type-of-the-root": (BASELINE, _form(("<wnio:Dokument ", '<wnio:Dokument xsi:type="o:Letter" ')), {}),
    "white-space-before-it": (BASELINE, _form((_SUM, '<wnio:Kwota xsi:type=" &#10;o:Sum ">')), {}),
    "another-prefix-for-types": (
        BASELINE,
        _form((_SUM, '<wnio:Kwota i:type="o:Sum">'), xsi=_XSI.replace("xmlns:xsi", "xmlns:i")),
        {},
    ),
    "used-by-a-child-only": (BASELINE, _form((_SUM, '<wnio:Kwota xsi:type="o:Sum"><o:child/>')), {}),
    "used-by-a-sibling-only": (BASELINE, _form((_SUM, '<o:sibling/><wnio:Kwota xsi:type="o:Sum">')), {}),
    "of-the-default-namespace": (
        BASELINE,
        _form((_SUM, '<wnio:Kwota xmlns="urn:default" xsi:type="Sum">')),
        {},
    ),
    "below-another-meaning": (
        BASELINE,
        _form(("<Kod>", '<Kod xmlns:wnio="urn:office" xsi:type="wnio:Kod">')),
        {},
    ),
    "enveloping": (ENVELOPING, _TYPED, {}),
    "by-id": (BASELINE, _form((_SUM, '<wnio:Kwota xsi:type="o:Sum">'), form=FORM_WITH_ID), {"uri": "#doc"}),
}.items():
    expect("prefix-unsigned", partial(signed, _recipe, _content, **_how), _what)


def _in_the_role() -> bytes:
    """What the signer says of himself is covered, and exclusive canonicalisation leaves its prefix out."""
    role = f'<o:Role{_OFFICE}{_XSI} xmlns:p="urn:person" xsi:type="p:Clerk"/>'
    return signed(BASELINE, claimed_role=role)


expect("prefix-unsigned", _in_the_role, "in-a-claimed-role")


def _of_two() -> bytes:
    """The first covers every declaration, the second does not: it would hold for what the first makes of it."""
    first = sign(_TYPED, PKI.person, AT, replace(QUALIFIED, certificates="own"))
    return sign(first, PKI.other_person, AT, _BY_XPATH)


expect("prefix-unsigned", _of_two, "the-second-of-two")


def _listed(prefixes: str, form: bytes = _TYPED, *, default: bytes = b"") -> Maker:
    """Name prefixes in the Reference to the form; the digest is made to fit.

    `default` is the declaration of the default namespace that lxml leaves out before those of `xsi`.
    """

    def make() -> bytes:
        root = tree(form)
        octets = etree.tostring(
            root.getroottree(),
            method="c14n",
            exclusive=True,
            with_comments=False,
            inclusive_ns_prefixes=prefixes.split(),
        )
        octets = octets.replace(b"<wnio:Kwota xmlns:xsi", b"<wnio:Kwota" + default + b" xmlns:xsi")
        value = b64encode(hashlib.sha256(octets).digest()).decode()
        held = f'<c:InclusiveNamespaces xmlns:c="{EXCLUSIVE}" PrefixList="{prefixes}"/>'

        def rewrite(text: str) -> str:
            changed = text.replace(
                f'"{EXCLUSIVE}"/></ds:Transforms>', f'"{EXCLUSIVE}">{held}</ds:Transform></ds:Transforms>', 1
            )
            assert changed != text
            return changed.replace("@digest@", value, 1)

        return signed(BASELINE, form, rewrite=rewrite)

    return make


expect("prefix-unsigned", _listed("xsi wnio"), "a-list-of-others")

# ── rebound on the way ──


def _rebound(old: str, new: str, form: bytes, recipe: Recipe = BASELINE) -> Maker:
    return edited(re.escape(old), new, recipe, form=form)


for _what, _maker in {
    "rebound-on-the-root": _rebound(_OFFICE, ' xmlns:o="urn:evil"', _TYPED),
    "rebound-in-an-enveloping-one": _rebound(_OFFICE, ' xmlns:o="urn:evil"', _TYPED, ENVELOPING),
    "rebound-around-the-object": _rebound(
        "<ds:Object Id",
        f"<ds:Object{_OFFICE} Id",
        _form((_SUM, '<wnio:Kwota xsi:type="o:Sum">'), office=""),
        ENVELOPING,
    ),
    "declaration-added": _rebound(
        _SUM[:-1], f"{_SUM[:-1]}{_OFFICE}", _form((_SUM, '<wnio:Kwota xsi:type="o:Sum">'), office="")
    ),
    "default-namespace-added": _rebound(_SUM[:-1], f'{_SUM[:-1]} xmlns="urn:evil"', _UNPREFIXED),
    "default-namespace-added-on-the-root": _rebound(_XSI, f'{_XSI} xmlns="urn:evil"', _UNPREFIXED),
    "prefix-of-the-root-rebound": _rebound("<Adres ", '<Adres xmlns:wnio="urn:evil" ', _ABOVE),
    "rebound-between": _rebound(
        "<Kod>", '<Kod xmlns:o="urn:evil">', _form(("<Adres ", '<Adres o:a="" '), ("<Cyfry>", '<Cyfry xsi:type="o:C">'))
    ),
}.items():
    expect("prefix-unsigned", _maker, _what)

# ── and where the declaration is among the octets, changing it changes the digest ──

expect("digest-mismatch", _rebound(_OFFICE, ' xmlns:o="urn:evil"', _SHOWN), "rebound-where-a-name-uses-it")
expect(
    "digest-mismatch",
    _rebound(_OFFICE, ' xmlns:o="urn:evil"', _TYPED, replace(BASELINE, transforms=(ENVELOPED, C14N))),
    "rebound-under-inclusive",
)


def _rebound_though_listed() -> bytes:
    return _listed("o")().replace(_OFFICE.encode(), b' xmlns:o="urn:evil"')


expect("digest-mismatch", _rebound_though_listed, "rebound-though-listed")

# ── accepted ──

COVERED: dict[str, Maker] = {
    "inclusive": partial(signed, replace(BASELINE, transforms=(ENVELOPED, C14N)), _TYPED),
    "inclusive-by-xpath": partial(signed, replace(QUALIFIED, certificates="own"), _TYPED),
    "listed": _listed("o"),
    "listed-among-others": _listed("xsi o unused"),
    "default-listed": _listed(
        "#default",
        _form((_SUM, '<wnio:Kwota xmlns="urn:default" xsi:type="Sum">')),
        default=b' xmlns="urn:default"',
    ),
    "used-by-an-attribute": partial(signed, BASELINE, _SHOWN),
    "used-by-the-element": partial(signed, BASELINE, _form((_SUM, '<wnio:Kwota xsi:type="wnio:Sum">'))),
    "used-above": partial(signed, BASELINE, _ABOVE),
    "used-above-by-an-attribute": partial(
        signed, BASELINE, _form(("<Adres ", '<Adres o:a="" '), ("<Cyfry>", '<Cyfry xsi:type="o:Code">'))
    ),
    "default-of-the-element": partial(signed, BASELINE, _form(("<Ulica>", '<Ulica xsi:type="Street">'))),
    "no-default": partial(signed, BASELINE, _UNPREFIXED),
    "bound-to-nothing-by-nobody": partial(signed, BASELINE, _form((_SUM, '<wnio:Kwota xsi:type="o:Sum">'), office="")),
    "bound-by-xml-itself": partial(signed, BASELINE, _form((_SUM, '<wnio:Kwota xsi:type="xml:Sum">'))),
    "no-type-but-an-address": partial(
        signed,
        BASELINE,
        _form((_SUM, '<wnio:Kwota xsi:schemaLocation="o:not-a-prefix o:none" xsi:nil="false" type="o:Sum">')),
    ),
    "rebound-where-nobody-uses-it": edited("<Kod>", '<Kod xmlns:o="urn:other">', BASELINE, form=_SHOWN),
    "enveloping": partial(signed, ENVELOPING, _SHOWN),
    "of-two": lambda: sign(
        sign(_TYPED, PKI.person, AT, replace(QUALIFIED, certificates="own")),
        PKI.other_person,
        AT,
        replace(QUALIFIED, certificates="own"),
    ),
    "in-what-nobody-signed": edited("<ds:X509Data>", f'<ds:X509Data{_XSI}{_OFFICE} xsi:type="o:Data">', BASELINE),
    "a-part-too": partial(
        signed,
        BASELINE,
        _SHOWN.replace(b"<wnio:Kwota ", b'<wnio:Kwota Id="sum" '),
        extra_references=(reference("#sum", (EXCLUSIVE,), "sha256"),),
    ),
}
"""By what it shows: where everything that a prefix means is among the octets."""
