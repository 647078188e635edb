"""The second verifier: which one it is, and where it stands when the configuration asks for it.

It is loaded only then: who does not ask for a second opinion pays nothing for it.
"""

from __future__ import annotations

from broker.parse import Limits
from broker.second_opinion import Seconded, SecondVerifier
from broker.verify import Verify
from config.settings import Settings
from config.sources import limits_of


def verifier(limits: Limits) -> SecondVerifier:
    """Return the second verifier, for documents within these limits."""
    from adapters.verifiers.signxml import Signxml  # noqa: PLC0415 - see above

    return Signxml(limits=limits)


def seconded(first: Verify, settings: Settings) -> Verify | Seconded:
    """Return stage verify, with the second verifier behind it if `trust.second_opinion` says so."""
    if not settings.trust.second_opinion:
        return first
    return Seconded(first=first, second=verifier(limits_of(settings)))
