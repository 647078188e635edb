"""Signs forms for tests and the demo, in every shape that is met and in every bad one (DOMAIN §5).

    sign(form, pki.person, at)                                              XAdES baseline B
    sign(form, pki.person, at, QUALIFIED)                                   as the public signing service does it
    sign_on_platform(form, pki.platform, JAN, at)                           podpis zaufany
    sign(sign(form, a, at, QUALIFIED), b, at, QUALIFIED)                    two siblings
    countersign(sign(form, a, at), b, at)                                   a counter-signature
    sign(form, pki.person, at, target="#elsewhere")                         a bad one: any field of the recipe

The rest of the document keeps its bytes: BOM, declaration, what stands before and after the root, white space.
It shares no code with `broker/verify`.
"""

from __future__ import annotations

import codecs
import re
from base64 import b64encode
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from lxml import etree

from adapters.testkit.certificates import Credential, Person
from adapters.testkit.signing import canonical
from adapters.testkit.signing.recipe import BASELINE, EXCLUSIVE, PODPIS_ZAUFANY, Recipe
from adapters.testkit.signing.roles import ep_signature, podpis_zp
from adapters.testkit.signing.template import DS, method_of, reference, signature

_MISC = r"(?:\s|<!--.*?-->|<\?.*?\?>)*"
_PROLOG = re.compile(rf"\ufeff?{_MISC}(?:<!DOCTYPE[^\[>]*(?:\[.*?\])?\s*>)?{_MISC}", re.DOTALL)
_END_TAG = re.compile(rf"</[^<>]*>{_MISC}\Z", re.DOTALL)
_EMPTY_ROOT = re.compile(rf"<([^\s<>/]+)([^<>]*)/>({_MISC})\Z", re.DOTALL)


def sign(form: bytes, by: Credential, at: datetime, recipe: Recipe = BASELINE, **changes: Any) -> bytes:
    """Return `form` with one more signature; `changes` are fields of the recipe to be different."""
    recipe = replace(recipe, **changes)
    text, encoding = _decode(form)
    id_ = f"id-{uuid4().hex}"
    if recipe.enveloping:
        return _sign_enveloping(text, by, at, recipe, id_)
    references = reference(
        "" if recipe.uri is None else recipe.uri,
        recipe.transforms,
        recipe.digest,
        id_=f"form-{id_}",
        xpath=recipe.xpath,
    )
    element = signature(recipe, by, at, id_=id_, references=references)
    return _complete(_insert(text, element), encoding, recipe, by)


def sign_on_platform(
    form: bytes, platform: Credential, person: Person, at: datetime, *, old: bool = False, **changes: Any
) -> bytes:
    """Return a podpis zaufany: the platform's seal in the name of a person; `old` is the form before EPSignature."""
    role = podpis_zp(person) if old else ep_signature(person, at)
    return sign(form, platform, at, PODPIS_ZAUFANY, **{"claimed_role": role, **changes})


def countersign(signed: bytes, by: Credential, at: datetime, recipe: Recipe = BASELINE, **changes: Any) -> bytes:
    """Return the document with a counter-signature on its first signature, which this module must have made."""
    recipe = replace(recipe, **changes)
    text, encoding = _decode(signed)
    found = re.search(r'<(?:ds:)?SignatureValue Id="(value-id-[0-9a-f]+)"', text)
    end = "</xades:QualifyingProperties>"
    if found is None or end not in text:
        raise ValueError("there is no XAdES signature of this module to counter-sign")
    id_ = f"id-{uuid4().hex}"
    references = reference(
        f"#{found[1]}", (EXCLUSIVE,), recipe.digest, type_="http://uri.etsi.org/01903#CountersignedSignature"
    )
    element = signature(recipe, by, at, id_=id_, references=references)
    wrapped = f"<xades:CounterSignature>{element}</xades:CounterSignature>"
    open_end = "</xades:UnsignedSignatureProperties>"
    if open_end in text:
        text = text.replace(open_end, wrapped + open_end, 1)
    else:
        start = "<xades:UnsignedProperties><xades:UnsignedSignatureProperties>"
        text = text.replace(end, f"{start}{wrapped}{open_end}</xades:UnsignedProperties>{end}", 1)
    return _complete(text, encoding, recipe, by)


def _sign_enveloping(text: str, by: Credential, at: datetime, recipe: Recipe, id_: str) -> bytes:
    prolog = _PROLOG.match(text)
    content = text[prolog.end() if prolog else 0 :]
    references = reference(
        f"#object-{id_}" if recipe.uri is None else recipe.uri,
        recipe.transforms,
        recipe.digest,
        id_=f"form-{id_}",
        type_="http://www.w3.org/2000/09/xmldsig#Object",
        xpath=recipe.xpath,
    )
    element = signature(recipe, by, at, id_=id_, references=references, content=content)
    return _complete(f'<?xml version="1.0" encoding="UTF-8"?>\n{element}', "utf-8", recipe, by)


def _complete(text: str, encoding: str, recipe: Recipe, by: Credential) -> bytes:
    """Compute what is still to come, first the digests, then the signature over them."""
    data = _encode(text, encoding)
    own = _unfinished(data)
    for one in own.iterfind(f"{{{DS}}}SignedInfo/{{{DS}}}Reference"):
        if one.findtext(f"{{{DS}}}DigestValue") != "@digest@":
            continue
        octets = canonical.referenced(data, one, own.get("Id") or "")
        method = one.find(f"{{{DS}}}DigestMethod")
        digest = canonical.digest_of(octets, "" if method is None else method.get("Algorithm") or "")
        text = text.replace("@digest@", b64encode(digest).decode(), 1)
    own = _unfinished(_encode(text, encoding))
    info = own.find(f"{{{DS}}}SignedInfo")
    if info is None:
        raise ValueError("the recipe's rewrite left no SignedInfo")
    octets = canonical.canonical(info, recipe.signed_info, comments=recipe.signed_info.endswith("WithComments"))
    value = canonical.signature_value(octets, method_of(recipe, by), by)
    return _encode(text.replace("@signature@", b64encode(value).decode(), 1), encoding)


def _unfinished(data: bytes) -> etree._Element:
    for one in canonical.tree(data).iter(f"{{{DS}}}Signature"):
        if one.findtext(f"{{{DS}}}SignatureValue") == "@signature@":
            return one
    raise ValueError("the recipe's rewrite left no signature to complete")


def _insert(text: str, element: str) -> str:
    """Put the signature last in the root; no other character changes, but an empty root gets an end tag."""
    end = _END_TAG.search(text)
    if end is not None:
        return text[: end.start()] + element + text[end.start() :]
    empty = _EMPTY_ROOT.search(text)
    if empty is None:
        raise ValueError("no end of a root element")
    return f"{text[: empty.start()]}<{empty[1]}{empty[2]}>{element}</{empty[1]}>{empty[3]}"


def _decode(data: bytes) -> tuple[str, str]:
    """Return the text, its BOM kept as a character, and the encoding that gives the bytes back."""
    for bom, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(bom):
            return data.decode(encoding), encoding
    declared = re.match(rb"<\?xml[^>]*encoding=[\"']([\w.-]+)", data)
    encoding = declared[1].decode() if declared else "utf-8"
    return data.decode(encoding), encoding


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding, "xmlcharrefreplace")
