"""Values as signatures write them: Base64, moments, text.

Read only from elements that hold nothing but text: what stands around a comment is not a value.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

from lxml import etree


def text(element: etree._Element) -> str | None:
    """Return the element's text, or None if it holds anything but text."""
    return None if len(element) else (element.text or "")


def octets(element: etree._Element) -> bytes | None:
    """Return what the element's Base64 stands for, or None if it is not Base64.

    Only the canonical spelling counts (RFC 4648 §3.5), white space apart: else one value could be written in
    many ways, and a changed value would pass for the one that was signed.
    """
    written = text(element)
    return None if written is None else decoded(written)


def decoded(written: str) -> bytes | None:
    """Return what canonical Base64 stands for, white space apart, or None."""
    if not written.isascii():
        return None
    compact = "".join(written.split())
    try:
        value = base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if value and base64.b64encode(value).decode("ascii") == compact else None


def moment(written: str) -> datetime | None:
    """Return an xs:dateTime as UTC, or None if it is none or has no zone."""
    try:
        value = datetime.fromisoformat(written.strip())
        return None if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
