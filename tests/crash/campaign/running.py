"""One campaign from its beginning to its audit."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.states import LIVE
from config.bootstrap import open_ledger
from tests.crash.campaign.accounts import Account, audit
from tests.crash.campaign.books import Clients
from tests.crash.campaign.faults import HOUR, Fault, a_worker_is_killed, faults_of, name_of
from tests.crash.campaign.field import Field
from tests.crash.campaign.load import Load

ENDLESS = 1_000_000_000  # letters: until it is said that there are enough
SETTLING = 600.0  # seconds without a delivery after which nothing more is waited for, when the faults are over
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """What became of it."""

    engine: str
    seed: int
    seconds: float
    faults: Counter[str]
    clients: Clients
    account: Account
    journal: str  # what `goniec journal verify` said, and its exit status

    @property
    def kept(self) -> bool:
        return not self.account.broken and self.journal.startswith("0")

    def __str__(self) -> str:
        kinds = "\n".join(f"  {times:4} × {kind}" for kind, times in sorted(self.faults.items()))
        return (
            f"{self.engine}, seed {self.seed}: {self.faults.total()} faults of {len(self.faults)} kinds in"
            f" {self.seconds:.0f} s · answers {self.clients.told} · told to come again {self.clients.later} times,"
            f" not heard {self.clients.dropped} times\n{kinds}\n"
            f"{self.account}\njournal verify: {self.journal}"
        )


def fight(
    engine: str,
    *,
    submissions: int,
    faults: int,
    seed: int,
    tell: Tell = lambda _: None,
    bugs: tuple[str, ...] = (),
    clients: int = 6,
    only: tuple[Fault, ...] = (),
) -> Campaign:
    """Let so many faults, or only those, befall three nodes while at least so many documents come in, and audit."""
    kinds = only or faults_of(engine)

    def befall(field: Field, load: Load) -> Iterator[Fault]:
        order = [kind for _ in range(-(-faults // len(kinds))) for kind in kinds][:faults]
        field.chance.shuffle(order)
        for number, fault in enumerate(order):
            # Spread over the whole load: the next fault comes when its share of letters is answered.
            while load.answered < submissions * number / faults and not load.done:
                time.sleep(0.05)
            yield fault
        while load.answered < submissions and not load.done:
            time.sleep(0.05)
        load.post.close()  # only now: every fault is to meet traffic

    return _campaign(engine, befall, submissions=ENDLESS, seed=seed, clients=clients, tell=tell, bugs=bugs)


def in_turn(
    engine: str, *, minutes: float, seed: int, every: float = 5.0, tell: Tell = lambda _: None, clients: int = 3
) -> Campaign:
    """Kill each of three workers behind one address in turn, for so many minutes under steady load, and audit."""

    def befall(_field: Field, load: Load) -> Iterator[Fault]:
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until and not load.done:
            time.sleep(every)
            yield a_worker_is_killed
        load.post.close()

    return _campaign(engine, befall, submissions=ENDLESS, seed=seed, clients=clients, tell=tell, nodes=1, workers=3)


def _campaign(
    engine: str,
    befall: Callable[[Field, Load], Iterator[Fault]],
    *,
    submissions: int,
    seed: int,
    clients: int,
    tell: Tell,
    **about: Any,
) -> Campaign:
    begun = time.monotonic()
    befallen: Counter[str] = Counter()

    def say(what: str) -> None:
        tell(f"{time.monotonic() - begun:6.0f} s  {what}")

    with tempfile.TemporaryDirectory(prefix="goniec-campaign-") as folder:
        Path(folder).chmod(0o755)  # the engines' own users must get through
        with Field(Path(folder), engine, seed, **about) as field:
            with Load(field, submissions, seed, clients) as load:
                for fault in befall(field, load):
                    fault(field)
                    befallen[name_of(fault)] += 1
                    say(f"{load.answered:7} answered  {name_of(fault)}")
            say("every letter is answered")
            _settle(field)
            say("nothing is under way any more")
            for machine in field.machines:
                machine.stop()
            account, journal = audit(field, load), _journal(field)
            return Campaign(
                engine=engine,
                seed=seed,
                seconds=time.monotonic() - begun,
                faults=befallen,
                clients=load.clients,
                account=account,
                journal=journal,
            )


def _settle(field: Field) -> None:
    """Wait until no delivery is live, for as long as they become fewer.

    What was put off while the store's clock ran ahead is due by that clock: on one file that is the nodes' own, so
    they are let reach that hour.
    """
    fewest, since = sys.maxsize, time.monotonic()
    with field.directly() as site, open_ledger(site.settings) as ledger:
        while live := sum(ledger.stats().deliveries.get(state, 0) for state in LIVE):
            if live < fewest:
                fewest, since = live, time.monotonic()
            waited = time.monotonic() - since
            if waited > SETTLING:
                return
            if waited > SETTLING / 20 and field.postgres is None:
                for machine in field.machines:
                    machine.clock.write_text(str(HOUR + SETTLING))
            time.sleep(0.5)


def _journal(field: Field) -> str:
    """Have the command judge the journal.

    Clocks have jumped, so what nobody vouches for yet may seem to be hours old.
    """
    with field.directly() as site:
        words = ["--ca", str(site.folder / "pki" / "seal-ca.pem"), "--window", str(3 * HOUR)]
        done = subprocess.run(
            [sys.executable, "-m", "config.cli", "journal", "verify", "--config", str(site.configuration), *words],
            capture_output=True,
            text=True,
            check=False,
        )
    return f"{done.returncode} {(done.stdout + done.stderr).strip()[-500:]}"
