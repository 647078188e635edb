"""How mutants meet the tests: one pytest collects everything once, and each mutant gets a fork of it.

Which tests reach which function is found out in a fork first.  A mutant meets only those, the likeliest first:
such as killed another mutant of the same function, then the quickest of every file in turn, for tests of one file
are alike.  The first that fails ends it.  A mutant that takes far longer than its tests should is taken to loop.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import pickle
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from hypothesis import Phase, settings
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

from adapters.testkit import certificates
from tests.mutation.mutants import Mutant, Outcome, What

_EXAMPLES = 60  # of a property, for one mutant
_QUICK = 25  # a test that takes more than this part of the budget comes late
_PATIENCE = 6  # a mutant may take so many times the processor time of its tests, and some seconds


@dataclass(slots=True)
class Session:
    """A plugin for pytest: in place of the tests themselves it runs every mutant against them.

    `budget` is the processor time in seconds that the tests of one mutant may take; those left over are not run.
    """

    mutants: Sequence[Mutant]
    jobs: int
    budget: float
    done: Callable[[Outcome], None]
    _items: dict[str, pytest.Item] = field(default_factory=dict)
    _took: dict[str, float] = field(default_factory=dict)
    _reach: dict[str, list[str]] = field(default_factory=dict)
    _killers: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Do everything here, and let pytest run nothing itself."""
        self._items = {item.nodeid: item for item in session.items}
        for item in session.items:
            _shorten(item)
        _forget_what_is_remembered()
        gc.collect()
        gc.freeze()
        with _in_fork(self._look) as looking:
            failed, self._took, self._reach, keys = looking()
        if failed:
            print(f"\nleft out, for without any mutant they fail: {', '.join(failed)}", flush=True)
        for (role, kind), pem in keys.items():
            own = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
            certificates.remember(role, kind, own)  # type: ignore[arg-type]
        self._run_all()
        return True

    def _look(self) -> Any:
        """Run every test without a mutant; return those that fail, their times, what they reach and the keys."""
        set_mutant_under_test("stats")
        failed, took, reach = [], {}, defaultdict(list)
        for nodeid, item, after in self._in_order(list(self._items)):
            state()._stats.clear()
            began = time.process_time()
            if not _passes(item, after):
                failed.append(nodeid)
                continue
            took[nodeid] = time.process_time() - began
            for function in state()._stats:
                reach[function].append(nodeid)
        return failed, took, dict(reach), {at: _pem(own) for at, own in certificates.remembered().items()}

    def _in_order(self, names: list[str]) -> list[tuple[str, pytest.Item, pytest.Item | None]]:
        items = [self._items[name] for name in names]
        return list(zip(names, items, [*items[1:], None], strict=True))

    def _run_all(self) -> None:
        running: dict[int, tuple[Mutant, int, float]] = {}
        for mutant in self.mutants:
            tests = self._tests(mutant)
            if not tests:
                self.done(Outcome(mutant=mutant, what=What.UNREACHED))
                continue
            while len(running) >= self.jobs:
                self._settle(running)
            reading, writing = os.pipe()
            sys.stdout.flush()
            seconds = 5 + _PATIENCE * sum(self._took[test] for test in tests)
            child = os.fork()
            if not child:
                os.setsid()  # what its tests start ends with it, and the scheduler counts it by itself
                os.close(reading)
                self._meet(mutant, tests, writing, int(seconds))
            os.close(writing)
            # By the clock far later, for the machine may be busy: against what waits and never wakes.
            running[child] = mutant, reading, time.monotonic() + 60 + 20 * seconds
        while running:
            self._settle(running)

    def _tests(self, mutant: Mutant) -> list[str]:
        reached = sorted(self._reach.get(mutant.reached_as, ()), key=self._took.__getitem__)
        quick = [test for test in reached if self._took[test] < self.budget / _QUICK]
        stem = Path(mutant.file).stem
        its_own, others = _apart(quick, lambda test: stem in test.partition("::")[0])
        mixed = [*_mixed(its_own), *_mixed(others), *reached]
        killed = self._killers[mutant.reached_as]
        killers = sorted(killed, key=lambda test: self._took[test] / killed[test])
        spent = 0.0
        chosen: list[str] = []
        for test in dict.fromkeys([*killers, *mixed]):
            spent += self._took[test]
            if spent > self.budget and chosen:
                break
            chosen.append(test)
        return chosen

    def _meet(self, mutant: Mutant, tests: list[str], writing: int, seconds: int) -> None:
        """In a fork: run the tests; write the name of the first that fails.  Does not return."""
        with contextlib.suppress(BaseException):
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
            set_mutant_under_test(mutant.name)
            for test, item, after in self._in_order(tests):
                if not _passes(item, after):
                    os.write(writing, test.encode())
                    os._exit(1)
            os._exit(0)
        os._exit(1)  # an exception that pytest itself does not take for a failure

    def _settle(self, running: dict[int, tuple[Mutant, int, float]]) -> None:
        """Wait for one child and tell what became of its mutant."""
        while True:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child:
                break
            for late in [pid for pid, (_, _, until) in running.items() if time.monotonic() > until]:
                os.kill(late, signal.SIGKILL)
            time.sleep(0.01)
        mutant, reading, _ = running.pop(child)
        with os.fdopen(reading, "rb") as pipe:
            test = pipe.read().decode()
        if os.WIFSIGNALED(status):
            what = What.LOOPED if os.WTERMSIG(status) in {signal.SIGKILL, signal.SIGXCPU} else What.KILLED
        else:
            what = What.KILLED if os.WEXITSTATUS(status) else What.SURVIVED
        if test:
            self._killers[mutant.reached_as][test] += 1
        self.done(Outcome(mutant=mutant, what=what, test=test))


def _apart(tests: list[str], first: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    return [it for it in tests if first(it)], [it for it in tests if not first(it)]


def _mixed(tests: list[str]) -> list[str]:
    """Return them by turns, one of each file: those of one file are alike."""
    by_file: defaultdict[str, list[str]] = defaultdict(list)
    for test in tests:
        by_file[test.partition("::")[0]].append(test)
    return [test for row in zip_longest(*by_file.values()) for test in row if test]


def _pem(own: certificates.PrivateKey) -> bytes:
    return own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _passes(item: pytest.Item, after: pytest.Item | None) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=after))


def _shorten(item: pytest.Item) -> None:
    """Give a property few examples, the same ones every time, and let it stop at the first that fails."""
    inner = getattr(getattr(item, "obj", None), "hypothesis", None)
    if inner is not None:
        kept = item.obj._hypothesis_internal_use_settings  # type: ignore[attr-defined]
        item.obj._hypothesis_internal_use_settings = settings(  # type: ignore[attr-defined]
            kept,
            max_examples=min(kept.max_examples, _EXAMPLES),
            phases=(Phase.explicit, Phase.generate),
            derandomize=True,
            database=None,
            deadline=None,
        )


def _forget_what_is_remembered() -> None:
    """Empty the caches of our own code, lest a mutant is never asked."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in {"broker", "adapters"}:
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()


@contextlib.contextmanager
def _in_fork(work: Callable[[], Any]) -> Any:
    """Do some work in a fork; give what reads its result."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException), os.fdopen(writing, "wb") as pipe:
            pickle.dump(work(), pipe)
            pipe.flush()
            os._exit(0)
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        yield lambda: pickle.load(pipe)
    os.waitpid(child, 0)
