"""The suites that every store passes, an integrator's too.

    class TestMyStore(AnswerSuite, CopySuite, CustodySuite, JournalSuite, TokenSuite, ClaimSuite, ProbeSuite,
        LeaseSuite, ProofSuite, LedgerSuite, NodeSuite, ReconcileSuite, RetentionSuite, WatchSuite, QuarantineSuite):
        @pytest.fixture
        def connect(self, clock):
            ...  # yield a function that opens one more store on the same data, on the clock given
            ...  # then close what was opened

A store that keeps its data in the process returns the same object each time.
"""

from __future__ import annotations

from adapters.testkit.stores.answers import AnswerSuite
from adapters.testkit.stores.claims import ClaimSuite
from adapters.testkit.stores.copies import CopySuite
from adapters.testkit.stores.custody import CustodySuite
from adapters.testkit.stores.journal import JournalSuite
from adapters.testkit.stores.leases import LeaseSuite
from adapters.testkit.stores.ledger import LedgerSuite
from adapters.testkit.stores.nodes import NodeSuite
from adapters.testkit.stores.probes import ProbeSuite
from adapters.testkit.stores.proofs import ProofSuite
from adapters.testkit.stores.quarantine import QuarantineSuite
from adapters.testkit.stores.reconcile import ReconcileSuite
from adapters.testkit.stores.retention import RetentionSuite
from adapters.testkit.stores.tokens import TokenSuite
from adapters.testkit.stores.watch import WatchSuite

__all__ = [
    "AnswerSuite",
    "ClaimSuite",
    "CopySuite",
    "CustodySuite",
    "JournalSuite",
    "LeaseSuite",
    "LedgerSuite",
    "NodeSuite",
    "ProbeSuite",
    "ProofSuite",
    "QuarantineSuite",
    "ReconcileSuite",
    "RetentionSuite",
    "TokenSuite",
    "WatchSuite",
]
