"""A CA, its customers, and a clerk who keeps evidence about them: no network, and time passes when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapters.testkit.certificates import Authority, Credential, distinguished, key
from adapters.testkit.responder_words import Lie, Words
from adapters.testkit.responders import named_services
from adapters.trust.book import Book
from adapters.trust.clerk import Clerk, Note
from adapters.trust.fetch import Fetcher, Hosts
from adapters.trust.question import Answered, Question, judged
from broker.verify import Anchor, TrustSnapshot, path
from broker.verify.certificate import load
from broker.verify.path import Path
from broker.verify.revocation import OCSP, Status

OCSP_URL, CRL_URL = "http://ocsp.example/q", "http://crl.example/ca.crl"
FRESHNESS = timedelta(hours=36)
# The moment that an OCSP answer is made is the machine's, whatever else it says: so time begins now.
NOON = datetime.now(UTC).replace(microsecond=0)
SILENCE: Callable[[Question], str] = lambda _question: "away"  # noqa: E731


@dataclass(kw_only=True)
class Ca:
    """A root with people below it; `words` is what its services say."""

    now: datetime = NOON
    name: str = "Kept CA"
    life: timedelta = timedelta(hours=1)
    ocsp: str = OCSP_URL
    crl: str = CRL_URL
    root: Authority = field(init=False)
    words: Words = field(init=False)

    def __post_init__(self) -> None:
        self.root = Authority.root(self.name, NOON, kind="ec-256")
        self.words = Words(self.root, clock=lambda: self.now, life=self.life, delegated=False)

    def person(self, name: str = "someone", *, ocsp: bool = True, crl: bool = True) -> Credential:
        return self.root.issue(
            distinguished(common_name=name),
            key("kept", "ec-256"),
            not_before=NOON - timedelta(days=1),
            not_after=NOON + timedelta(days=365),
            extras=named_services(ocsp=self.ocsp if ocsp else "", crl=self.crl if crl else ""),
        )

    def below(self, name: str) -> Authority:
        """An authority below the root, of which the root's services speak."""
        return Authority(
            credential=self.root.issue(
                distinguished(common_name=name),
                key(name, "ec-256"),
                not_before=NOON - timedelta(days=1),
                not_after=NOON + timedelta(days=365),
                usage=("key_cert_sign", "crl_sign"),
                ca=True,
                extras=named_services(ocsp="", crl=self.crl),
            )
        )

    @property
    def trust(self) -> TrustSnapshot:
        anchor = Anchor(certificate=self.root.credential.certificate, name=self.name)
        return TrustSnapshot(anchors=(anchor,), revocation="require", freshness=FRESHNESS)

    def path(self, person: Credential, *between: Authority) -> Path:
        beside = [load(one.credential.der) for one in between]
        return path.find(load(person.der), beside, self.trust, self.now)

    def say(self, question: Question, lie: Lie = Lie.NONE) -> bytes:
        """What the service that is asked says."""
        if question.source.kind == OCSP:
            return self.words.answer(question.request(), lie)
        return self.words.revocation_list(lie)


class Office:
    """A clerk at work.  `step` hands notes in and lets the questions be answered, one after the other."""

    def __init__(
        self,
        ca: Ca,
        *,
        most: int = 100,
        soonest: timedelta = timedelta(seconds=30),
        hosts: tuple[str, ...] = ("ocsp.example", "crl.example"),
    ) -> None:
        self.ca = ca
        self.asked: list[Question] = []  # all that were ever asked
        self.open: list[Question] = []  # asked, not yet answered
        book = Book(most=most, jitter=lambda: 0.5, soonest=soonest, freshness=FRESHNESS)
        self.clerk = Clerk(book, Fetcher(hosts=Hosts(hosts)), budget=timedelta(seconds=20), jitter=lambda: 0.5)

    @property
    def evidence(self):
        return self.clerk.publication.evidence

    def pass_(self, time: timedelta) -> None:
        self.ca.now += time

    def hand(self, *notes: Note) -> None:
        """Hand notes in; the questions that come of them stay open."""
        questions = self.clerk.turn(notes, self.ca.now)
        self.asked += questions
        self.open += questions

    def answer(self, said: Callable[[Question], bytes | str] | None = None, number: int | None = None) -> None:
        """Answer open questions: octets, or the reason for which there are none."""
        questions, self.open = self.open[:number], self.open[len(self.open[:number]) :]
        say = said or self.ca.say
        self.hand(*(self._answered(question, say(question)) for question in questions))

    def _answered(self, question: Question, said: bytes | str) -> Answered:
        if isinstance(said, str):
            return Answered(question=question, chain=question.chains[0], problem=said)
        return judged(question, said, self.ca.now, FRESHNESS)

    def settle(self, *notes: Note, said: Callable[[Question], bytes | str] | None = None) -> None:
        """Hand notes in and answer until nothing is open."""
        self.hand(*notes)
        while self.open:
            self.answer(said)

    def status(self, person: Credential, *between: Authority) -> Status | None:
        found = self.ca.path(person, *between)
        return self.evidence.status(found.certificates[0], found.issuers[0])

    def silent_since(self, person: Credential) -> datetime | None:
        return self.evidence.silent.get(load(person.der).report.sha256)

    def kinds(self) -> list[str]:
        return [question.source.kind for question in self.asked]


def people(ca: Ca, number: int, **about: bool) -> Iterable[Credential]:
    return [ca.person(f"person {it}", **about) for it in range(number)]
