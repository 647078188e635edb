"""The evidence that everybody reads, and the changes that wait to be put into it all at once."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime
from types import MappingProxyType

from broker.verify.revocation import Evidence, RevocationList, Settled, Status


class Publication:
    """One thread changes it, any thread reads `evidence`: an immutable value, replaced whole."""

    def __init__(self) -> None:
        self.evidence = Evidence()
        self._statuses: list[Status] = []
        self._lists: list[RevocationList] = []
        self._silent: dict[str, datetime | None] = {}
        self._unasked: set[str] = set()
        self._gone: set[str] = set()

    def add(self, settled: Settled, wanted: Container[str]) -> None:
        """Add what was proven, of the certificates that are wanted."""
        self._statuses += [status for status in settled.statuses if status.certificate in wanted]
        self._lists += settled.lists

    def silent(self, certificate: str, since: datetime) -> None:
        """Say since when nobody answers for a certificate."""
        self._silent[certificate] = since

    def unasked(self, certificate: str) -> None:
        """Say that there is nobody who may be asked about a certificate."""
        if certificate not in self.evidence.unasked:
            self._unasked.add(certificate)

    def heard(self, certificate: str) -> None:
        """Say that somebody does."""
        if certificate in self.evidence.silent or certificate in self._silent:
            self._silent[certificate] = None

    def forget(self, certificates: Iterable[str], issuers: Iterable[str]) -> None:
        """Drop what is known of certificates, and the lists of issuers."""
        self._gone.update(certificates, issuers)

    def publish(self) -> None:
        """Put all changes into the evidence: one copy, however many they are."""
        evidence = self.evidence
        if self._statuses or self._lists:
            evidence = evidence.adding(Settled(statuses=tuple(self._statuses), lists=tuple(self._lists)))
        if self._silent or self._gone or self._unasked:
            gone = self._gone
            silent = {**evidence.silent, **self._silent}
            evidence = Evidence(
                statuses=MappingProxyType({key: it for key, it in evidence.statuses.items() if key not in gone}),
                lists=MappingProxyType({key: it for key, it in evidence.lists.items() if key not in gone}),
                silent=MappingProxyType(
                    {key: since for key, since in silent.items() if since is not None and key not in gone}
                ),
                unasked=(evidence.unasked | self._unasked) - gone,
            )
        self._statuses, self._lists, self._silent, self._gone, self._unasked = [], [], {}, set(), set()
        self.evidence = evidence
