"""`DaneDodatkowe` as the broker sends it: what accompanies a document that is handed to an office over SOAP.

The shape is `schemas/soap/dane-dodatkowe.xsd`: XML in no namespace, the last `IdentyfikatorDokumentu` being the
document's id as its receipt names it (DOMAIN §4).  On the wire the header holds it as Base64.  What senders put
into the header of that name on their way in is read in `adapters/wire/ob.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.wire.base64_text import decode, encode
from adapters.wire.ob import child
from adapters.wire.soap import elements, name_of, text_of
from broker.errors import Malformed
from broker.model import Parcel
from broker.parse import Limits, read

# Element → the fact of the parcel (`Parcel.summary`) that it carries; written in this order.
_FACTS: Final = {
    "IdentyfikatorDoreczenia": "delivery",
    "Nadawca": "sender",
    "AdresSkrytki": "box",
    "Formularz": "form",
    "NazwaPliku": "file-name",
    "AdresOdpowiedzi": "reply-to",
    "IdentyfikatorSprawy": "case",
    "WOdpowiedziNa": "in-reply-to",
    "PoziomPodpisu": "level",
    "DataWplywu": "received-at",
}
_OPTIONAL: Final = frozenset({"NazwaPliku", "AdresOdpowiedzi", "IdentyfikatorSprawy", "WOdpowiedziNa"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What a receiver learns beside the document.  `facts` has the keys of `Parcel.summary`, "" where unsaid."""

    facts: Mapping[str, str]
    receipt: bytes  # the UPP, byte for byte
    report: bytes  # verification report, UTF-8 JSON


def write(parcel: Parcel) -> bytes:
    """Return the XML (not yet Base64) that goes with a parcel."""
    summary = parcel.summary
    return b"".join(
        (
            b'<?xml version="1.0" encoding="UTF-8"?>\n<DaneDodatkowe wersja="1">',
            *(child(name, summary[key]) for name, key in _FACTS.items() if summary[key] or name not in _OPTIONAL),
            b'<SkrotDokumentu algorytm="SHA-256">%s</SkrotDokumentu>' % encode(bytes.fromhex(summary["sha256"])),
            b'<UPP typ="text/xml">%s</UPP>' % encode(parcel.receipt.xml),
            b'<RaportWeryfikacji typ="application/json">%s</RaportWeryfikacji>' % encode(parcel.report),
            child("IdentyfikatorDokumentu", summary["submission"]),
            b"</DaneDodatkowe>",
        )
    )


def read_extras(xml: bytes, limits: Limits) -> Extras:
    """Return what `write` wrote; elements that are not known are skipped, of several of one name the last counts.

    Raises Malformed if it is not of that shape, TooLarge over the limits.
    """
    root = read(xml, limits)
    if root.tag != "DaneDodatkowe":
        raise Malformed("soap.object", place="DaneDodatkowe")
    found = {name_of(one): one for one in elements(root)}

    def text(name: str) -> str:
        if name in found:
            return text_of(found[name])
        if name in _OPTIONAL:
            return ""
        raise Malformed("soap.object", place=f"DaneDodatkowe/{name}")

    facts = {key: text(name) for name, key in _FACTS.items()}
    facts["sha256"] = decode(text("SkrotDokumentu"), place="SkrotDokumentu").hex()
    facts["submission"] = text("IdentyfikatorDokumentu")
    return Extras(
        facts=facts,
        receipt=decode(text("UPP"), place="UPP"),
        report=decode(text("RaportWeryfikacji"), place="RaportWeryfikacji"),
    )
