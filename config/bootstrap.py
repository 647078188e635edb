"""The only file that names concrete classes: settings become a broker, or a ConfigError with every problem.

Nothing here opens a connection or starts a thread, but for the store: `config/run.py` does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from adapters import offices, stores
from adapters.trust.fetch import Fetcher, Hosts
from adapters.trust.keeper import Keeper
from adapters.trust.lists import Shelf
from adapters.trust.lists_refresh import ListRefresher
from adapters.trust.timestamp import Authority
from adapters.wire.kind import Custody
from adapters.wire.listening import Listen, opened
from adapters.wire.weight import Scales
from broker.admit import Admit
from broker.deadlines import Timetable
from broker.dispatch import Dispatcher
from broker.errors import ConfigError
from broker.intake import Intake
from broker.model import OfficeId, OfficeLimits, Target
from broker.nodes import Nodes
from broker.parse import Limits, Parse
from broker.partner import NOBODY, Partners
from broker.ports import Channel, Ids, Ledger, Office, Question
from broker.receipt import Registrar
from broker.retry import RetryPolicy
from broker.upo import Party
from broker.validate import Validate
from broker.verify import Policy, TrustSnapshot, Verify
from broker.verify.revocation import NOTHING_KNOWN
from broker.verify.trusted_list import LIMITS
from config import clock, deadlines, journal, kinds, quarantine, retention, revocation, stamping
from config.around import surroundings, ways_in
from config.bundle import Bundle
from config.courier import Courier
from config.ids import TimeOrderedIds
from config.lending import OfficePool
from config.operations import Operations, watch_over
from config.partners import partners
from config.recheck import Recheck
from config.reconcile import Desk
from config.rotation import Configured, Rotation
from config.schedule import Chore
from config.second_opinion import seconded
from config.settings import NodesSection, Settings
from config.snapshot import Snapshot
from config.sources import Problems, limits_of, load_catalogue, load_routing, load_trust, shelf_of
from routing.route import Route
from routing.table import Table, unknown_forms
from schemas.catalogue import FormCatalogue

log = structlog.get_logger(__name__)

REPORT_EVERY = timedelta(minutes=1)
FORGET_EVERY = timedelta(minutes=1)  # nodes that were silent for long
BUNDLE_EVERY = timedelta(minutes=1)  # other nodes have seals too
LISTS_DEADLINE = timedelta(minutes=1)  # for a trusted list, which has up to 10 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that can be made without touching the store or the network: what `goniec check` looks at."""

    limits: Limits
    catalogue: FormCatalogue
    partners: Snapshot[Partners]
    trust: Snapshot[TrustSnapshot]
    lists: ListRefresher | None
    table: Snapshot[Table]
    seal: Rotation
    bundle: Bundle
    desk: Desk
    stamps: Authority | None  # None: nobody time-stamps receipts
    timetable: Timetable
    channels: Mapping[str, Channel]
    offices: Mapping[OfficeId, Callable[[], Office]]
    ids: Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """An assembled broker: what `config/run.py` runs."""

    intake: Intake
    courier: Courier
    channels: Mapping[str, Channel]
    offices: int
    refreshers: Mapping[str, Callable[[], None]]
    ledger: Ledger
    keeper: Keeper | None  # None: nobody asks whether certificates were revoked
    chores: Mapping[str, Chore]
    nodes: Nodes
    membership: NodesSection
    may_serve: Callable[[], None]  # raises ConfigError when the store is not for this version any more
    operations: Operations
    close: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Current:
    """The Router that asks the newest good table."""

    table: Snapshot[Table]

    def target(self, question: Question) -> Target:
        return self.table().target(question)


def parts(settings: Settings, listen: Listen = opened) -> Parts:
    """Make everything but the store, whose settings are read; raise ConfigError with all problems of all parts."""
    wrong, ids = Problems(), TimeOrderedIds(clock.now)
    wrong.of(open_store, settings)  # opens nothing before its first call
    known = wrong.of(partners, settings)
    bundle = Bundle()
    desk = Desk(known or (lambda: NOBODY))
    around = partial(
        surroundings, settings, ids=ids, partners=desk.partners, seals=bundle, listen=listen, inquiries=desk
    )
    catalogue = wrong.of(load_catalogue, tuple(settings.path(folder) for folder in settings.forms))
    trust_files = [settings.path(one.file) for one in settings.trust.anchors]
    trust_files += [settings.path(file) for file in settings.trust.intermediates]
    trust_files += [settings.path(file) for file in settings.trust.timestamp_authorities]
    shelf = shelf_of(settings)
    trust_files += shelf.watched if shelf else ()
    wrong.of(revocation.examine, settings)
    trust = wrong.of(Snapshot, "trust", trust_files, lambda: load_trust(settings, shelf))
    lists = wrong.of(list_refresher, settings, shelf) if shelf else None
    routing_files = [settings.path(settings.routing.boxes), settings.path(settings.routing.rows)]
    table = wrong.of(Snapshot, "routing", routing_files, lambda: load_routing(settings))
    seal = wrong.of(Rotation, Configured(settings, around("seal")), clock.now)
    stamps = wrong.of(stamping.authority, settings)
    timetable = wrong.of(deadlines.timetable, settings)
    wrong.of(journal.examine, settings)
    ways_out = wrong.of(kinds.with_plugins, offices.KINDS, "goniec.offices") or offices.KINDS
    made_channels = wrong.of(ways_in, settings, around) or {}
    made_offices = {}
    for name, entry in settings.offices.items():
        make = partial(kinds.make, ways_out, entry, f"offices.{name}", around(name))
        # One is made now to see that it can be; the pool makes the others when threads need them.
        if wrong.of(make) is not None:
            made_offices[OfficeId(name)] = make
    if table is not None:
        wrong.found += [
            f"routing: {name} ({office}) is not configured under [offices]"
            for office, name in sorted(table().offices.items())
            if office not in settings.offices
        ]
        if catalogue is not None:
            wrong.found += [
                f"routing: {problem}" for problem in unknown_forms(table(), [form.key for form in catalogue.forms])
            ]
    if wrong.found or catalogue is None or known is None or trust is None or table is None or seal is None:
        raise ConfigError([*(seal.lost if seal is not None else ()), *wrong.found])
    return Parts(
        limits=limits_of(settings),
        catalogue=catalogue,
        partners=known,
        trust=trust,
        lists=lists,
        table=table,
        seal=seal,
        bundle=bundle,
        desk=desk,
        stamps=stamps,
        timetable=timetable or Timetable(),
        channels=made_channels,
        offices=made_offices,
        ids=ids,
    )


def list_refresher(settings: Settings, shelf: Shelf) -> ListRefresher:
    """Return what keeps the trusted lists up to date; with lists from files it only watches over their dates."""
    own = settings.trust.lists
    fetcher = Fetcher(hosts=Hosts(own.hosts), deadline=LISTS_DEADLINE, most=LIMITS.payload)
    return ListRefresher(
        shelf,
        get=fetcher.get,
        clock=clock.now,
        lotl="" if own.files else own.lotl,
        every=own.every,
        warn=own.warn,
    )


def open_store(settings: Settings) -> Custody:
    """Open the store of the configuration; raise ConfigError or Unavailable."""
    around = surroundings(settings, "store", TimeOrderedIds(clock.now))
    return kinds.make(stores.KINDS, settings.store, "store", around)


def _policy(settings: Settings) -> Policy:
    return Policy(window=settings.trust.window)


@contextmanager
def open_ledger(settings: Settings) -> Iterator[Ledger]:
    """Open the store for an operator's look, and close it."""
    store = open_store(settings)
    try:
        yield store
    finally:
        store.close()


def _issuer(settings: Settings) -> Party | None:
    """Return who runs the broker, as receipts name it."""
    it = settings.issuer
    return None if it is None else Party(name=it.name, id=it.id, kind=it.id_kind)


def report(ledger: Ledger) -> None:
    """Log how much there is and how old the oldest waiting delivery is: what operators watch."""
    stats = ledger.stats()
    log.info(
        "queue.report",
        submissions=stats.submissions,
        refusals=stats.refusals,
        oldest_waiting=stats.oldest_waiting,
        **{str(state): count for state, count in stats.deliveries.items()},
    )


def forget_nodes(nodes: Nodes, silent: timedelta) -> None:
    """Forget the nodes that said nothing for so long."""
    if (forgotten := nodes.forget(silent)) > 0:
        log.info("nodes.forgotten", number=forgotten)


def assemble(settings: Settings, listen: Listen = opened, *, sealed: bool = False) -> Broker:
    """Make a broker, or only one with its seal; raise ConfigError, or Unavailable if the store cannot be opened."""
    made = parts(settings, listen)
    if sealed and made.seal.lost:
        raise ConfigError(made.seal.lost)
    keeper = revocation.keeper(settings, made.trust)
    known = keeper or NOTHING_KNOWN
    store = open_store(settings)
    pool = OfficePool(made.offices)

    def close() -> None:
        pool.close()
        store.close()

    try:
        store.enrol(
            [
                OfficeLimits(
                    office=OfficeId(name), in_flight=one.in_flight, threshold=one.threshold, cooling=one.cooling
                )
                for name, one in settings.offices.items()
            ]
        )
        made.bundle.ledger = made.desk.custody = store
        made.seal.begin(store, made.bundle.refresh)
        quarantine.warn_of_missing(settings.offices, store.quarantine)
    except BaseException:
        close()
        raise
    operations = Operations(
        settings,
        watch=watch_over(settings, surroundings(settings, "store", made.ids), store, made.seal.probe),
        ledger=store,
        channels=made.channels,
        clock=clock.now,
    )
    parse = Parse(limits=made.limits)
    first = Verify(trust=made.trust, evidence=known.evidence, ask=known.ask, policy=_policy(settings))
    verify = seconded(first, settings)
    registrar = Registrar(seal=made.seal, ids=made.ids, environment=settings.environment, issuer=_issuer(settings))
    intake = Intake(
        store=store,
        parse=parse,
        validate=Validate(catalogue=made.catalogue),
        verify=verify,
        route=Route(router=_Current(made.table), limits=made.limits),
        admit=Admit(partners=made.partners),
        registrar=registrar,
        awaits_answer=made.timetable.awaits_answer,
        clock=clock.now,
        ids=made.ids,
        partners=made.partners,
        pace=made.desk.pace,
        pressure=operations.watch,
        room=Scales(settings.pressure.large).room,
    )
    patience = settings.trust.unresolved
    again = Recheck(store=store, ledger=store, parse=parse, judge=verify.again, clock=clock.now, patience=patience)
    delivery = settings.delivery
    dispatcher = Dispatcher(
        store=store,
        lend=pool.lend,
        policy=RetryPolicy(
            first=delivery.first_wait,
            longest=delivery.longest_wait,
            patience=delivery.patience,
            crashes=delivery.crashes,
        ),
        jitter=random.SystemRandom().random,
        room=Scales(delivery.large).room,
    )
    return Broker(
        intake=intake,
        courier=Courier(
            store=store,
            deliver=dispatcher.deliver,
            threads=delivery.threads,
            lease=delivery.lease,
            poll=delivery.poll,
            drain=delivery.drain,
        ),
        channels=made.channels,
        offices=len(made.offices),
        refreshers={
            "partners": made.partners.refresh,
            "trust": made.trust.refresh,
            "routing": made.table.refresh,
            "seal": made.seal.refresh,
            **({"trusted-lists": made.lists} if made.lists else {}),
        },
        ledger=store,
        keeper=keeper,
        chores={
            "bundle": Chore(BUNDLE_EVERY, made.bundle.refresh),
            "nodes": Chore(FORGET_EVERY, lambda: forget_nodes(store.nodes, settings.nodes.forget), alone=True),
            "report": Chore(REPORT_EVERY, partial(report, store), alone=True),
            "recheck": Chore(settings.trust.recheck, again, alone=True),
            "seal-end": Chore(timedelta(days=1), made.seal.watch),
            **stamping.chores(settings, store, made.stamps),
            **journal.chores(settings, store, made.seal, made.stamps),
            **deadlines.chores(settings, made, store, registrar, dispatcher, figures=operations.figures),
            **retention.chores(settings.retention, store.retention, clock.now, stamped=made.stamps is not None),
        },
        nodes=store.nodes,
        membership=settings.nodes,
        may_serve=store.may_serve,
        operations=operations,
        close=close,
    )
