"""One campaign from its beginning to its audit."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from broker.states import LIVE
from config.bootstrap import open_ledger
from tests.crash.campaign.accounts import Account, audit
from tests.crash.campaign.faults import faults_of, name_of
from tests.crash.campaign.field import Field
from tests.crash.campaign.load import Load

SETTLING = 600.0  # seconds in which everything must be delivered when the faults are over
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """What became of it."""

    engine: str
    seed: int
    seconds: float
    faults: Counter[str]
    told: int
    resent: int
    account: Account
    journal: str  # what `goniec journal verify` said, and its exit status

    @property
    def kept(self) -> bool:
        return not self.account.broken and self.journal.startswith("0")

    def __str__(self) -> str:
        kinds = "\n".join(f"  {times:4} × {kind}" for kind, times in sorted(self.faults.items()))
        return (
            f"{self.engine}, seed {self.seed}: {self.faults.total()} faults of {len(self.faults)} kinds in"
            f" {self.seconds:.0f} s · answers {self.told}, sent again {self.resent} times\n{kinds}\n"
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
) -> Campaign:
    """Let so many faults befall three nodes while so many documents come in, and audit."""
    begun, kinds = time.monotonic(), faults_of(engine)
    befallen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="goniec-campaign-") as folder:
        Path(folder).chmod(0o755)  # the engines' own users must get through
        with Field(Path(folder), engine, seed, bugs=bugs) as field:
            order = [kind for _ in range(-(-faults // len(kinds))) for kind in kinds][:faults]
            field.chance.shuffle(order)
            with Load(field, submissions, seed, clients) as load:
                for number, fault in enumerate(order, start=1):
                    # Spread over the whole load: the next fault comes when its share of letters is answered.
                    while load.answered < submissions * (number - 1) / faults and not load.done:
                        time.sleep(0.05)
                    fault(field)
                    befallen[name_of(fault)] += 1
                    tell(f"{time.monotonic() - begun:6.0f} s  {load.answered:7} answered  {name_of(fault)}")
            tell(f"{time.monotonic() - begun:6.0f} s  every letter is answered")
            _settle(field)
            tell(f"{time.monotonic() - begun:6.0f} s  nothing is under way any more")
            for machine in field.machines:
                machine.stop()
            account, journal = audit(field, load), _journal(field)
            return Campaign(
                engine=engine,
                seed=seed,
                seconds=time.monotonic() - begun,
                faults=befallen,
                told=load.clients.told,
                resent=load.clients.resent,
                account=account,
                journal=journal,
            )


def _settle(field: Field) -> None:
    """Wait until no delivery is live."""
    until = time.monotonic() + SETTLING
    with field.directly() as site, open_ledger(site.settings) as ledger:
        while any(ledger.stats().deliveries.get(state, 0) for state in LIVE) and time.monotonic() < until:
            time.sleep(0.5)


def _journal(field: Field) -> str:
    """Have the command judge the journal."""
    with field.directly() as site:
        done = subprocess.run(
            [sys.executable, "-m", "config.cli", "journal", "verify", "--config", str(site.configuration)],
            capture_output=True,
            text=True,
            check=False,
        )
    return f"{done.returncode} {(done.stdout + done.stderr).strip()[-500:]}"
