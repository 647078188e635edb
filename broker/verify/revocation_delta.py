"""Which lists of changes (delta CRLs) belong to which lists, and which lists are the newest: RFC 5280 §5.2.3, §5.2.4.

The library takes any of the issuer's name and scope.  But changes to a newer list do not make an older one as new: what
was revoked between the two stands in neither.  And what somebody else has signed changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from cryptography import x509

from broker.verify import revocation_list
from broker.verify.certificate import HOSTILE, Certificate, issuer_key
from broker.verify.fetched import Listed

_Kind = tuple[str, x509.ExtensionType | None]
"""By whose key lists are signed, and what they tell of: all that was issued, or a part (issuingDistributionPoint)."""


def together(found: Sequence[Listed], issuers: Sequence[Certificate]) -> list[Listed]:
    """Return the lists, each with the changes that belong to it; of those that belong to none, nothing is left.

    `issuers` are all who may have signed lists.  Where changes belong to the newest list of a kind, the older ones are
    left out: it tells more than they do.
    """
    changes, lists = defaultdict[_Kind, list[Listed]](list), defaultdict[_Kind, list[Listed]](list)
    kept = [it for it in found if not revocation_list.is_delta(it.parsed)]
    if len(kept) == len(found):
        return kept
    for each in found:
        kind = _kind(each, issuers)
        if kind is not None and revocation_list.is_delta(each.parsed):
            changes[kind].append(each)
        elif kind is not None and revocation_list.names_delta(each.parsed):
            lists[kind].append(each)
    for kind, own in lists.items():
        newest = max(own, key=_number)
        fitting = [it for it in changes[kind] if _base(it) <= _number(newest) <= _number(it)]
        if fitting:
            whole = replace(newest, changes=max(fitting, key=_number))
            kept = [whole if it is newest else it for it in kept if it is newest or it not in own]
    return kept


def newest(found: Sequence[Listed], issuers: Sequence[Certificate]) -> list[Listed]:
    """Return the lists, of those of one kind the newest alone: an older one still holds what it has let go.

    `issuers` are all who may have signed lists.
    """
    kinds = {it: _kind(it, issuers) for it in found}
    numbered = sorted((it for it in found if kinds[it] is not None), key=_age)
    last = {kinds[it]: it for it in numbered}
    return [it for it in found if last.get(kinds[it], it) is it]


def _kind(listed: Listed, issuers: Iterable[Certificate]) -> _Kind | None:
    """Return of which kind a list is; None if nobody of the issuers has signed it, or it bears no number."""
    signer = next((it for it in issuers if revocation_list.is_signed(listed.parsed, listed.raw.octets, it)), None)
    try:
        extensions = {it.oid: it.value for it in listed.parsed.extensions}
    except HOSTILE:
        return None
    if signer is None or x509.CRLNumber.oid not in extensions:
        return None
    return issuer_key(signer.x509), extensions.get(x509.IssuingDistributionPoint.oid)


def _number(listed: Listed) -> int:
    return listed.parsed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _age(listed: Listed) -> tuple[int, datetime]:
    """Return what is greater for a newer list; its changes count as they make it newer."""
    return _number(listed.parts[-1]), listed.as_of


def _base(changes: Listed) -> int:
    """Return the number of the list since which they are (BaseCRLNumber)."""
    return changes.parsed.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
