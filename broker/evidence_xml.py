"""The verification report as XML, for those who keep XML: the same facts under the same names as its JSON.

What must live here: how the one is written as the other.  Names are the fields' of `broker/evidence.py` in upper camel
case (`sub_indication` is `SubIndication`); a list is a holder with an element for each entry; what is empty is left
out, but for an empty URI, which is one.  The form is `schemas/receipts/verification-report.xsd`.  The names of
verdicts are those of ETSI EN 319 102-1 §5.1; the form is our own and not that of TS 119 102-2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lxml import etree

from broker.xml_text import legal

NAMESPACE: Final = "urn:goniec:raport-weryfikacji"
_NS: Final = f"{{{NAMESPACE}}}"

# What an entry of a list is called.
_ENTRIES: Final = {
    "signatures": "Signature",
    "references": "Reference",
    "transforms": "Transform",
    "path": "Subject",
    "path_sha256": "Digest",
    "services": "Service",
    "tried": "Subject",
    "revocation": "CertificateStatus",
    "time_stamps": "TimeStamp",
    "extensions": "Extension",
    "counter_signatures": "Signature",
}


def to_xml(report: bytes) -> bytes:
    """Return a report, as `broker.evidence.to_json` writes it, as UTF-8 XML; every time the same octets."""
    root = etree.Element(f"{_NS}VerificationReport", nsmap={None: NAMESPACE})
    _fill(root, json.loads(report))
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _fill(parent: etree._Element, facts: Mapping[str, Any]) -> None:
    for name, value in facts.items():
        if value not in ("", None, [], {}) or (name, value) == ("uri", ""):
            _write(etree.SubElement(parent, _NS + _camel(name)), name, value)


def _write(element: etree._Element, name: str, value: Any) -> None:
    if isinstance(value, Mapping):
        _fill(element, value)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for entry in value:
            _write(etree.SubElement(element, _NS + _ENTRIES[name]), name, entry)
    else:
        element.text = legal(str(value).lower() if isinstance(value, bool) else str(value))


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
