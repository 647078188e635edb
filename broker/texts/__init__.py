"""What every code means, in Polish and in English: one table, one file of it for each stage.

A code is `<stage>.<reason>`.  `number` is the `kod` of a SOAP fault's `ob:Wyjatek` and never changes once given
(parse 100–199, validate 200–299, verify 300–399 and 1100–1149, route 400–499, admit 500–599, intake 600–699, soap 700–749,
amqp 750–789, directory 790–799, receipt 800–849, container 850–879, reconcile 880–899, broker 900–999, partner 1000–1049,
wss 1050–1099).  Gaps like `{limit}` are filled from the
rejection's facts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from broker.errors import Rejection
from broker.texts import (
    admit,
    amqp,
    channel,
    container,
    directory,
    intake,
    moment,
    parse,
    partner,
    receipt,
    reconcile,
    route,
    soap,
    timestamp,
    validate,
    verify,
    wss,
)
from broker.texts.text import Text

__all__ = ["TEXTS", "Text", "explain", "hint"]

TEXTS: Mapping[str, Text] = {
    **parse.TEXTS,
    **validate.TEXTS,
    **verify.TEXTS,
    **moment.TEXTS,
    **timestamp.TEXTS,
    **route.TEXTS,
    **admit.TEXTS,
    **intake.TEXTS,
    **partner.TEXTS,
    **receipt.TEXTS,
    **container.TEXTS,
    **reconcile.TEXTS,
    **soap.TEXTS,
    **amqp.TEXTS,
    **directory.TEXTS,
    **channel.TEXTS,
    **wss.TEXTS,
}


def explain(no: Rejection, language: str = "en") -> str:
    """Return what happened, in `pl` or `en`, for the sender: with values out of its own document."""
    text = TEXTS[no.code]
    facts: defaultdict[str, str] = defaultdict(lambda: "?")
    for name, fact in no.facts.items():
        pl, en = text.words.get(name, {}).get(fact, (fact, fact))
        facts[name] = pl if language == "pl" else en
    return (text.pl if language == "pl" else text.en).format_map(facts)


def hint(code: str, language: str = "en") -> str:
    """Return what the sender can do about it; empty when nothing general can be said."""
    text = TEXTS[code]
    return text.hint_pl if language == "pl" else text.hint_en
