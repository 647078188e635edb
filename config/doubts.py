"""What a broker could run with, and what is probably not meant: the warnings of `goniec check` about who is believed.

Nothing here is wrong by itself: a partner may be entered before its certificate is valid, or before its boxes are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.trust import cache
from adapters.trust.lists import Shelf
from adapters.wire.reach import on_loopback
from broker.errors import ConfigError
from broker.model import OfficeId
from broker.partner import Partner, Proof, fingerprint
from broker.verify import Anchor, TrustSnapshot, anchors, certificates
from broker.verify.certificate import load
from broker.verify.fault import Fault
from broker.verify.path import find
from broker.verify.trust import REVOCATION_REQUIRED
from config.partner_certificates import span
from config.quarantine import missing
from config.settings import Settings, raw
from config.sources import of_file
from routing.table import Table
from routing.table import forms as names
from schemas.catalogue import FormCatalogue

_OWN: Final = ("certificate", "signing_certificate")  # of a way in, that it shows
_BY: Final = {Proof.TLS: "certificate", Proof.WS_SECURITY: "certificate", Proof.AMQP_USER: "user of RabbitMQ"}
_BELIEVING: Final = {"soap": "proof", "directory": "sender"}  # kinds, and what they believe their senders without


def about_partners(partners: Mapping[str, Partner], table: Table, catalogue: FormCatalogue) -> Iterator[str]:
    """Yield what will keep a partner from sending: no means to prove itself, boxes and forms of nobody."""
    forms = {name for form in catalogue.forms for name in names(form.key)}
    for id_, partner in sorted(partners.items()):
        place = f"partners.{id_}"
        if not partner.provable:
            yield f"{place}: has neither certificates nor users: it can prove itself nowhere"
        for box in sorted(partner.to):
            if not any(known == box or (box.endswith("/") and known.startswith(box)) for known in table.boxes):
                yield f"{place}.to: {box}: no such box; /office/ means all boxes whose address begins so"
        for form in sorted(partner.forms - forms):
            yield f"{place}.forms: {form}: no such form"


def about_ways_in(settings: Settings, partners: Mapping[str, Partner], at: datetime) -> Iterator[str]:
    """Yield ways in through which nobody can come, or anybody in production; and what of their certificates ends."""
    able = {
        Proof.TLS: any(one.certificates for one in partners.values()),
        Proof.WS_SECURITY: any(one.certificates for one in partners.values()),
        Proof.AMQP_USER: any(one.users for one in partners.values()),
    }
    for name, entry in settings.channels.items():
        own = entry.own()
        asked = own.get("proof")
        known = [Proof(word) for word in asked if word in able] if isinstance(asked, list) else []
        if known and not any(able[proof] for proof in known):
            needs = " or ".join(sorted({_BY[proof] for proof in known}))
            yield f"channels.{name}.proof: no partner under [partners] has a {needs}: nobody can send here"
        if settings.environment == "production" and (lacks := _BELIEVING.get(entry.kind)) and not own.get(lacks):
            yield f"channels.{name}.{lacks}: without it whoever reaches this way in is believed to be whom he names"
        for setting in _OWN:
            file = own.get(setting)
            if isinstance(file, str):
                for words in _first(settings.path(Path(file)), at):
                    yield f"channels.{name}.{setting}: {words}"


def about_ways_out(settings: Settings) -> Iterator[str]:
    """Yield the offices to which documents go over the network for everybody to read, and to whoever answers there."""
    for name, entry in sorted(settings.offices.items()):
        url = urlsplit(str(entry.own().get("url", "")))
        if url.scheme in {"http", "amqp"} and not on_loopback(url.hostname or ""):
            yield (
                f"offices.{name}.url: documents go to another machine unencrypted, to whoever answers there: "
                f"{url.scheme}s:// proves which"
            )


def about_lists(settings: Settings) -> Iterator[str]:
    """Yield that trusted lists are set up and never read."""
    # What the settings hold has the defaults in it too: only the file tells what somebody wrote.
    written = raw(settings.file).get("trust", {}).get("lists") if settings.file else None
    if written and not settings.trust.lists.signers:
        yield "trust.lists: without signers no trusted list is read"


def about_caches(settings: Settings) -> Iterator[str]:
    """Yield folders of caches that hold what is not theirs: perhaps a folder was named that is there for something."""
    trust = settings.trust
    if trust.revocation == REVOCATION_REQUIRED:
        yield from _foreign("trust.cache", settings.path(trust.cache), cache.is_own)
    if trust.lists.signers and not trust.lists.files:
        yield from _foreign("trust.lists.cache", settings.path(trust.lists.cache), Shelf.is_own)


def _foreign(setting: str, folder: Path, is_own: Callable[[Path], bool]) -> Iterator[str]:
    try:
        others = sorted(file.name for file in folder.iterdir() if not is_own(file))
    except OSError:  # not made yet; whoever needs it tells that it cannot be
        return
    if others:
        yield (
            f"{setting}: {folder} holds what is none of the cache's ({others[0]}, {len(others)} in all): give it a "
            "folder of its own"
        )


def about_seals(settings: Settings, chain: Sequence[x509.Certificate], at: datetime) -> Iterator[str]:
    """Yield that the journal's check would not believe the seal whose certificates these are, its own first."""
    trust = TrustSnapshot(anchors=tuple(one for file in settings.journal.ca for one in _anchors(settings.path(file))))
    if not trust.anchors or not chain:
        return
    own, *others = (load(one.public_bytes(Encoding.DER)) for one in chain)
    try:
        find(own, others, trust, at)
    except Fault as fault:
        yield (
            f"journal.ca: does not believe the seal that is in use, SHA-256 {fingerprint(chain[0])} ({fault.code}): "
            "goniec journal verify can then not tell whether the journal is what it was; add its certificate"
        )


def _anchors(file: Path) -> Sequence[Anchor]:
    try:
        return of_file(file, anchors)
    except ConfigError:  # whoever needs the file tells that it cannot be read
        return ()


def about_retention(settings: Settings, catalogue: FormCatalogue) -> Iterator[str]:
    """Yield rules about forms and offices that are not there: spelt wrongly, or of what once was."""
    forms = {name for form in catalogue.forms for name in names(form.key)}
    for number, rule in enumerate(settings.retention.rules):
        place = f"retention.rules.{number}"
        if rule.form and rule.form not in forms:
            yield f"{place}.form: {rule.form}: no such form now"
        if rule.office and rule.office not in settings.offices:
            yield f"{place}.office: {rule.office}: no such office now"


def about_missing_offices(configured: Collection[str], unfinished: Mapping[OfficeId, int]) -> Iterator[str]:
    """Yield offices that are no longer configured, and for which documents wait: nobody would ever hand them over."""
    for office, number in missing(configured, unfinished).items():
        yield (
            f"offices.{office}: is not configured, and {number} of its deliveries are not final: put it back, and give "
            f"them to another office by goniec requeue --office {office} --to OTHER, with --state waiting too"
        )


def _first(file: Path, at: datetime) -> Iterator[str]:
    try:
        found = of_file(file, certificates)
    except ConfigError:  # whoever needs the file tells that it cannot be read
        return
    yield from span(found[0], at)
