"""Whether certificates were revoked: what fetches the evidence, made from the configuration.

For lists that are fetched too: `fetcher` is who may be called, `trust.hosts` is the one allow-list of the broker.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from adapters.trust.cache import Cache
from adapters.trust.fetch import Fetcher, Hosts
from adapters.trust.keeper import Keeper, Limits
from broker.errors import ConfigError
from broker.verify import TrustSnapshot
from broker.verify.trust import REVOCATION_REQUIRED
from config import clock
from config.settings import Settings


def fetcher(settings: Settings) -> Fetcher:
    """Return who fetches from the listed hosts; raise ConfigError."""
    trust = settings.trust
    try:
        hosts = Hosts(trust.hosts)
    except ConfigError as wrong:
        raise ConfigError([f"trust.hosts: {problem}" for problem in wrong.problems]) from wrong
    return Fetcher(hosts=hosts, deadline=trust.fetch_deadline, tls=_tls(settings))


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.trust.fetch_ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.path(settings.trust.fetch_ca))
    except OSError as error:  # ssl's own errors are of this kind
        raise ConfigError([f"trust.fetch_ca: {error.strerror or 'no certificates in it'}"]) from error


def examine(settings: Settings) -> None:
    """Raise ConfigError with what is wrong with the settings; make nothing that stays."""
    fetcher(settings)
    trust = settings.trust
    if trust.revocation != REVOCATION_REQUIRED:
        return
    problems = []
    if not trust.hosts:
        problems.append("trust.hosts: must list the hosts of OCSP and CRL that may be called, or nothing is ever known")
    if settings.path(trust.cache).resolve() == settings.path(trust.lists.cache).resolve():
        problems.append("trust.cache: is the folder of trust.lists.cache too; each must have one of its own")
    if problems:
        raise ConfigError(problems)


def keeper(settings: Settings, trust: Callable[[], TrustSnapshot]) -> Keeper | None:
    """Return who keeps the evidence, None if the policy asks for none; raise ConfigError."""
    examine(settings)
    if settings.trust.revocation != REVOCATION_REQUIRED:
        return None
    return Keeper(
        fetcher=fetcher(settings),
        trust=trust,
        clock=clock.now,
        cache=Cache(settings.path(settings.trust.cache)),
        limits=Limits(threads=settings.trust.fetch_threads, certificates=settings.trust.certificates),
    )
