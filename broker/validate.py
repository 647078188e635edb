"""Stage 2, validate: the document is a form of the catalogue, and obeys its schema.

Which forms there are and how a schema is asked is behind the Catalogue port; this file only says no.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from broker.cdata import parting
from broker.errors import Invalid, UnknownForm
from broker.evidence import told
from broker.lines import line
from broker.model import Document, Form, Valid
from broker.parse import BASE64, DS, enveloped
from broker.ports import Catalogue

_TEXT = "text()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validate:
    """The stage.  May be called by many threads."""

    catalogue: Catalogue

    def __call__(self, document: Document) -> Valid:
        """Find the form by its root's name and check it; raise UnknownForm, or Invalid with every flaw found."""
        form = self._form(document.form)
        flaws = self.catalogue.flaws(form, document.form)
        if flaws:
            first = flaws[0]
            raise Invalid(
                "validate.invalid",
                place=f"{first.path}, line {line(first.line)}",
                facts={"form": str(form.key), "count": str(len(flaws)), "first": first.message},
                flaws=flaws,
            )
        _refuse_split_values(document)
        return Valid(document=document, form=form)

    def _form(self, element: etree._Element) -> Form:
        name = etree.QName(element)
        namespace = name.namespace or ""
        form = self.catalogue.find(namespace, name.localname)
        if form is not None:
            return form
        place = f"line {line(element.sourceline)}"
        if (namespace, name.localname) == (DS, "Signature"):
            raise _no_single_form(element, place)
        raise UnknownForm(
            "validate.unknown-form", place=place, facts={"namespace": namespace or "-", "root": name.localname}
        )


def _no_single_form(signature: etree._Element, place: str) -> UnknownForm:
    """Return why there is no form: parse hands over the signature itself when it envelopes no single element."""
    objects = enveloped(signature)
    contents = [_content(held) for held in objects]
    if not any(contents):
        within = next(signature.iterfind(f"{{{DS}}}Object/{{{DS}}}Signature"), None)
        code = "validate.no-form-in-signature" if within is None else "validate.signature-in-signature"
        return UnknownForm(code, place=place)
    if len(objects) == 1 and (contents[0] == [_TEXT] or objects[0].get("Encoding") == BASE64):
        return UnknownForm("validate.enveloped-base64", place=place)
    said = ", ".join(name for content in contents for name in content or ["ds:Object"])
    return UnknownForm("validate.several-contents", place=place, facts={"contents": told(said)})


def _content(held: etree._Element) -> list[str]:
    """Return what an Object holds: its elements by their names, and text if there is any beside them."""
    names = [str(etree.QName(child).localname) for child in held.iterchildren(etree.Element)]
    stray = (held.text or "") + "".join(child.tail or "" for child in held)
    return [*names, _TEXT] if stray.strip() else names


def _refuse_split_values(document: Document) -> None:
    """Raise Invalid if a comment or a section of CDATA parts a value: some readers would see only what is before it.

    No digest covers either, so anybody could have put it there after the form was signed; our own readers step over
    it, but the office gets the document as it came.  Asked of all of it: a signature holds values too.
    """
    for comment in document.root.iter(etree.Comment):
        if (comment.tail or "").strip():
            raise Invalid("validate.comment-in-value", place=f"line {line(comment.sourceline)}")
    parted = parting(document.envelope.payload)
    if parted is not None:
        raise Invalid("validate.cdata-in-value", place=f"line {parted}")  # counted here: it is true however far down
