"""A token whose keys never leave it: its sessions are shared out among threads, by one access at a time.

The rules that this file keeps (PKCS#11 2.40 base, §2.6.7; python-pkcs11 0.10):

* One session is used by one thread at a time.  Logging in counts for every session of the process, and one that logs
  in again is an error: so one session logs in and stays, the others open without a PIN.
* So a PIN is proven by a log-in of its own alone, while nobody else is at the token; if that fails, or anything
  else for which it was tried, the access from before counts again.
* A PIN that was refused is never tried again: three tries lock a token for good.
* What fails is tried once more on a library started anew (`library.py`), except what the settings name wrongly.
* Nothing of it lives on in a forked child: there the library is initialised anew.

Whatever the library raises becomes Unavailable.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pkcs11 import Attribute, ObjectClass, PKCS11Error
from pkcs11 import exceptions as wrong
from pydantic import SecretStr

from adapters.seals.library import Library
from broker.errors import Unavailable

Found = TypeVar("Found")

_BAD_PIN: Final = (
    wrong.PinIncorrect,
    wrong.PinInvalid,
    wrong.PinLenRange,
    wrong.PinExpired,
    wrong.PinLocked,
    wrong.UserPinNotInitialized,
)


class Unfit(Unavailable):
    """The library answers, and what `setting` names is not to be had by that name."""

    setting = ""


class TokenUnclear(Unfit):
    """Several tokens answer to the name."""

    setting = "token"


class PinRefused(Unfit):
    """The token does not take the PIN."""

    setting = "pin"


class KeyMissing(Unfit):
    """The token is there, and not one key of that name.  `doubtful` if a token that went away may look the same."""

    setting = "key"

    def __init__(self, reason: str, *, doubtful: bool = False) -> None:
        super().__init__(reason)
        self.doubtful = doubtful


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a token is: in which library, and its label there or its slot."""

    module: str
    label: str = ""
    slot: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a token is used: by which PIN, by how many sessions at most, and how many seconds one is waited for."""

    pin: SecretStr | None = None
    sessions: int = 8
    patience: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key on a token: its label, its id, or both."""

    label: str = ""
    id: bytes = b""

    @property
    def told(self) -> dict[Attribute, Any]:
        """What is looked for on the token."""
        named = ((Attribute.LABEL, self.label), (Attribute.ID, self.id))
        return {name: value for name, value in named if value}


@dataclass(frozen=True, slots=True)
class Session:
    """An open session, and the keys that were found by it; `known` are those that were ever found on the token."""

    session: Any
    logged_in: bool
    known: set[Key]
    keys: dict[Key, Any] = field(default_factory=dict)

    def key(self, wanted: Key) -> Any:
        """Return the private key; raise KeyMissing."""
        if wanted not in self.keys:
            self.keys[wanted] = self._found(wanted)
            self.known.add(wanted)
        return self.keys[wanted]

    def _found(self, wanted: Key) -> Any:
        # Searches are read to their end: one that is left halfway outlives its session.
        found = list(self.session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, **wanted.told}))
        if len(found) == 1:
            return found[0]
        name = wanted.label or wanted.id.hex()
        if found:
            raise KeyMissing(f"several private keys {name!r} on the token: name one by key_id too")
        doubtful = wanted in self.known or not list(self.session.get_objects({}))
        if not self.logged_in:
            raise KeyMissing(
                f"no private key {name!r} is to be seen without a PIN: set pin_file or pin_variable", doubtful=doubtful
            )
        raise KeyMissing(f"no private key {name!r} on the token", doubtful=doubtful)

    def certificates(self) -> list[tuple[str, bytes, bytes]]:
        """Return label, id and DER of every certificate on the token that has all three."""
        found = []
        for one in list(self.session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE})):
            with contextlib.suppress(wrong.AttributeTypeInvalid, wrong.AttributeSensitive):  # of another sort
                found.append((one[Attribute.LABEL], one[Attribute.ID], one[Attribute.VALUE]))
        return found


class Token:
    """A token and its sessions."""

    def __init__(self, library: Library, place: Place, access: Access) -> None:
        self._library = library
        self._place = place
        self._access = access  # the next log-in and the next session go by it
        self._lock = threading.Condition()
        self._generation = -1
        self._idle: list[Session] = []
        self._lent = 0
        self._alone: int | None = None  # the thread that tries another PIN: all others wait
        self._logged_in: Any = None  # the session that logged in: while it is open, all are
        self._refused: set[SecretStr] = set()
        self._known: set[Key] = set()

    def use(self, task: Callable[[Session], Found]) -> Found:
        """Return what a task makes of a session; raise Unavailable, of which Unfit is one.

        A task that fails is run once more, on a library started anew, unless it is the settings that do not fit.
        """
        me = threading.get_ident()
        with self._lock:
            if not self._lock.wait_for(
                lambda: self._alone in (None, me) and self._lent < self._access.sessions, self._access.patience
            ):
                raise Unavailable("every session of the token is in use")
            self._lent += 1
        try:
            return self._twice(task)
        finally:
            with self._lock:
                self._lent -= 1
                self._lock.notify_all()

    @contextlib.contextmanager
    def trial(self, access: Access) -> Iterator[None]:
        """Go by this access inside, and from then on too unless something is raised inside.  Raises Unavailable.

        For another PIN everybody else waits until it is settled: it is proven by a log-in, before which all are out.
        """
        with self._by_itself() if access.pin != self._access.pin else contextlib.nullcontext():
            before, self._access = self._access, access
            try:
                yield
            except BaseException:
                self._access = before
                raise

    @contextlib.contextmanager
    def _by_itself(self) -> Iterator[None]:
        """Be the only thread here, with nobody logged in at the start, nor at the end if something is raised."""
        patience = self._access.patience
        with self._lock:
            if not self._lock.wait_for(lambda: self._alone is None, patience):
                raise Unavailable("another PIN of the token is being tried")
            self._alone = threading.get_ident()
        try:
            with self._lock:
                if not self._lock.wait_for(lambda: self._lent == 0, patience):
                    raise Unavailable("the token is in use: another PIN cannot be tried")
            self._leave()
            try:
                yield
            except BaseException:
                self._leave()
                raise
        finally:
            with self._lock:
                self._alone = None
                self._lock.notify_all()

    def _leave(self) -> None:
        """Close every session.  One that cannot be closed is logged in still, and a restart of the library ends it."""
        dropped = [one.session for one in self._idle] + ([self._logged_in] if self._logged_in is not None else [])
        self._idle.clear()
        self._logged_in = None
        with contextlib.suppress(Unavailable), self._library.entered(self._access.patience) as generation:
            if generation == self._generation:
                for session in dropped:
                    with contextlib.suppress(PKCS11Error):  # its handle may be dead
                        session.close()

    def _twice(self, task: Callable[[Session], Found]) -> Found:
        try:
            return self._once(task)
        except _Failed as failed:
            if not self._library.restart(failed.generation, self._access.patience):
                raise Unavailable(failed.away.reason) from failed
        try:
            return self._once(task)
        except _Failed as failed:
            raise failed.away from failed

    def _once(self, task: Callable[[Session], Found]) -> Found:
        with self._library.entered(self._access.patience) as generation:
            session = None
            try:
                session = self._taken(generation)
                done = task(session)
            except (Unavailable, PKCS11Error) as error:
                if session is not None:
                    with contextlib.suppress(PKCS11Error):  # its handle may be dead: then there is nothing to close
                        session.session.close()
                if isinstance(error, Unfit) and not (isinstance(error, KeyMissing) and error.doubtful):
                    raise
                away = (
                    error
                    if isinstance(error, Unavailable)
                    else Unavailable(f"the token failed: {type(error).__name__}")
                )
                raise _Failed(generation, away) from error
            with self._lock:
                if self._generation == generation:
                    self._idle.append(session)
        return done

    def _taken(self, generation: int) -> Session:
        """Return an idle session, or a new one; those from before a restart are dead and are dropped."""
        with self._lock:
            if self._generation != generation:
                self._idle.clear()
                self._logged_in = None
                self._generation = generation
            if self._idle:
                return self._idle.pop()
            if self._logged_in is None:
                self._logged_in = self._log_in()
            return Session(self._found().open(), logged_in=self._access.pin is not None, known=self._known)

    def _found(self) -> Any:
        label, slot = self._place.label, self._place.slot
        if slot is None:
            found = list(self._library.calls.get_tokens(token_label=label))
        else:
            slots = self._library.calls.get_slots(token_present=True)
            found = [one.get_token() for one in slots if one.slot_id == slot]
        if not found:
            raise Unavailable(f"no token {f'labelled {label!r}' if slot is None else f'in slot {slot}'} is there")
        if len(found) > 1:
            raise TokenUnclear(f"several tokens are labelled {label!r}: name one by slot")
        return found[0]

    def _log_in(self) -> Any:
        pin = self._access.pin
        if pin in self._refused:
            raise PinRefused("the token refused this PIN; it is not tried again")
        try:
            return self._found().open(user_pin=pin.get_secret_value() if pin else None)
        except _BAD_PIN as error:
            if pin is not None:
                self._refused.add(pin)
            raise PinRefused(f"the token refuses the PIN: {type(error).__name__}") from error


class _Failed(Exception):
    """A task failed while the library was at its `generation`-th start."""

    def __init__(self, generation: int, away: Unavailable) -> None:
        super().__init__(generation)
        self.generation = generation
        self.away = away


_tokens: dict[Place, Token] = {}
_libraries: dict[str, Library] = {}
_lock = threading.Lock()


def token(place: Place, access: Access) -> Token:
    """Return the token, one and the same for all that ask in this process; raise ConfigError or Unavailable.

    `access` is how it is used until another is tried.
    """
    with _lock:
        if place not in _tokens:
            if place.module not in _libraries:
                _libraries[place.module] = Library(place.module)
            _tokens[place] = Token(_libraries[place.module], place, access)
        return _tokens[place]


def forget() -> None:
    """Begin anew: in a forked child, which leaves to its parent what is the parent's; in a test, with another token."""
    global _lock  # noqa: PLW0603 - a lock that some other thread held at the fork is held for ever
    _lock = threading.Lock()
    _tokens.clear()
    _libraries.clear()


os.register_at_fork(after_in_child=forget)
