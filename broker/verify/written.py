"""Values as signatures write them: Base64, moments, text.

Read only from elements that hold nothing but text: what stands around a comment is not a value.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lxml import etree

# xs:dateTime (XML Schema 1.1 part 2 §3.3.7); which days a month has is asked later.
_DATE_TIME: Final = re.compile(
    r"(-?)([1-9][0-9]{4,}|[0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"T(?:24:00:00(?:\.0+)?|([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?)"
    r"(?:(Z)|([+-])(?:(0[0-9]|1[0-3]):([0-5][0-9])|14:00))?"
)
_WHITE: Final = " \t\r\n"
_DAY: Final = timedelta(days=1)
_FURTHEST: Final = timedelta(hours=14)  # that a zone lies from UTC, either way
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


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


@dataclass(frozen=True, slots=True)
class Span:
    """Between which moments, UTC, a written one lies: it is one moment if it has a zone.

    Years that a datetime cannot hold are its first or its last moment: which side of all others they are on is true.
    """

    earliest: datetime
    latest: datetime

    @property
    def moment(self) -> datetime | None:
        """The moment, or None if the span is more than one, or beyond what a datetime can hold."""
        return self.earliest if _FIRST < self.earliest == self.latest < _LAST else None


def span(written: str) -> Span | None:
    """Return between which moments an xs:dateTime lies, or None if it is none."""
    found = _DATE_TIME.fullmatch(written.strip(_WHITE))
    if found is None:
        return None
    sign, year, month, day, hour, minute, second, fraction, utc, ahead, hours, minutes = found.groups()
    # The calendar repeats itself every 400 years, and so every 10,000: a year of any length has the days of this one.
    alike = int(sign + year[-4:]) % 400 + 400
    micros = int((fraction or "")[:6].ljust(6, "0"))
    clock = int(hour or 0), int(minute or 0), int(second or 0), micros
    try:
        local = datetime(alike, int(month), int(day), *clock, tzinfo=UTC)
    except ValueError:
        return None
    if sign or year == "0000":
        return Span(_FIRST, _FIRST)
    if len(year) > len("9999"):
        return Span(_LAST, _LAST)
    local = local.replace(year=int(year))
    ends = _DAY if hour is None else timedelta(0)  # 24:00:00 is the next day's beginning
    if utc or ahead:
        offset = timedelta(hours=int(hours or 14), minutes=int(minutes or 0)) if ahead else timedelta(0)
        at = _moved(local, ends + offset if ahead == "-" else ends - offset)
        return Span(at, at)
    return Span(_moved(local, ends - _FURTHEST), _moved(local, ends + _FURTHEST))


def _moved(local: datetime, by: timedelta) -> datetime:
    try:
        return local + by
    except OverflowError:
        return _FIRST if by < timedelta(0) else _LAST


def moment(written: str) -> datetime | None:
    """Return an xs:dateTime as UTC, or None if it is none, has no zone, or is beyond what a datetime can hold."""
    found = span(written)
    return None if found is None else found.moment
