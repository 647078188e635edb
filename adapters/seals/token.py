"""Keys that never leave a PKCS#11 token: a library loaded once a process, sessions that threads share out.

The rules that this file keeps (PKCS#11 2.40 base, §2.6.7 and §5.4; python-pkcs11 0.10):

* A library is told that threads call it (CKF_OS_LOCKING_OK).  python-pkcs11 says the contrary, by C_Initialize(NULL),
  upon which SoftHSM locks nothing: so it is initialised here, and python-pkcs11 is handed a library that is ready.
* One session is used by one thread at a time.  Logging in counts for every session of the process, and one that logs
  in again is an error: so one session logs in and stays, the others open without a PIN.
* A token that went away leaves dead handles behind, and a library may keep its list of tokens from its start: so what
  fails is tried once more after C_Finalize and C_Initialize, with nobody inside, and not oftener than once a second.
* A PIN that was refused is never tried again: three tries lock a token for good.
* Nothing of it lives on in a forked child: there the library is initialised anew.

Whatever the library raises becomes Unavailable.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, TypeVar

from pkcs11 import Attribute, ObjectClass, PKCS11Error, _pkcs11
from pkcs11 import exceptions as wrong
from pydantic import SecretStr

from broker.errors import ConfigError, Unavailable

Found = TypeVar("Found")

_OS_LOCKING_OK: Final = 2
_OK, _CANT_LOCK, _ALREADY_INITIALISED = 0, 0x0A, 0x191
_BETWEEN_RESTARTS: Final = 1.0  # seconds
_BAD_PIN: Final = (
    wrong.PinIncorrect,
    wrong.PinInvalid,
    wrong.PinLenRange,
    wrong.PinExpired,
    wrong.PinLocked,
    wrong.UserPinNotInitialized,
)


class PinRefused(Unavailable):
    """The token does not take the PIN."""


class KeyMissing(Unavailable):
    """The token is there, the key is not."""


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
    def told(self) -> dict[str, Any]:
        """What python-pkcs11 looks for."""
        return {name: value for name, value in (("label", self.label), ("id", self.id)) if value}


@dataclass(frozen=True, slots=True)
class Session:
    """An open session, and the keys that were found by it."""

    session: Any
    keys: dict[Key, Any] = field(default_factory=dict)

    def key(self, wanted: Key) -> Any:
        """Return the private key; raise KeyMissing."""
        if wanted not in self.keys:
            try:
                self.keys[wanted] = self.session.get_key(object_class=ObjectClass.PRIVATE_KEY, **wanted.told)
            except wrong.NoSuchKey as error:
                raise KeyMissing(f"no private key {wanted.label or wanted.id.hex()!r} on the token") from error
        return self.keys[wanted]

    def certificates(self) -> list[tuple[str, bytes, bytes]]:
        """Return label, id and DER of every certificate on the token."""
        return [
            (one[Attribute.LABEL], one[Attribute.ID], one[Attribute.VALUE])
            for one in self.session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE})
        ]


# ── the library ──────────────────────────────────────────────────────────────────────────────────────────


class _Arguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("create", "destroy", "lock", "unlock")),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


_Call = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_void_p)


class _Functions(ctypes.Structure):
    """The head of CK_FUNCTION_LIST: only C_GetFunctionList need be exported by a library."""

    _fields_ = (("version", ctypes.c_ubyte * 2), ("initialise", _Call), ("finalise", _Call))


class Library:
    """A loaded library.  Threads are inside it together; whoever restarts it is inside alone."""

    def __init__(self, path: str) -> None:
        """Load and initialise; raise ConfigError if this is no library, or one that threads may not call."""
        self._turn = threading.Condition()
        self._inside = 0
        self._restarting = False
        self._restarted = -_BETWEEN_RESTARTS
        self.generation = 0
        try:
            functions = ctypes.POINTER(_Functions)()
            ctypes.CDLL(path).C_GetFunctionList(ctypes.byref(functions))
            self._functions = functions.contents
            self._initialise()
            self.calls = _pkcs11.lib.__new__(_pkcs11.lib, path)  # type: ignore[call-arg]  # no __init__: that would initialise it again
        except (OSError, AttributeError, ValueError, PKCS11Error) as error:
            raise ConfigError([f"module: {path} is no PKCS#11 library that can be loaded"]) from error

    def _initialise(self) -> None:
        arguments = _Arguments(flags=_OS_LOCKING_OK)
        result = self._functions.initialise(ctypes.addressof(arguments))
        if result == _ALREADY_INITIALISED:  # by the process that forked us
            self._functions.finalise(None)
            result = self._functions.initialise(ctypes.addressof(arguments))
        if result == _CANT_LOCK:
            raise ConfigError(["module: this PKCS#11 library cannot be used by several threads"])
        if result != _OK:
            raise Unavailable(f"C_Initialize answered {result:#x}")

    @contextlib.contextmanager
    def entered(self, patience: float) -> Iterator[int]:
        """Be inside, as one of many; yield the number of starts so far.  Raises Unavailable."""
        with self._turn:
            if not self._turn.wait_for(lambda: not self._restarting, patience):
                raise Unavailable("the token's library is being restarted")
            self._inside += 1
            generation = self.generation
        try:
            yield generation
        finally:
            with self._turn:
                self._inside -= 1
                self._turn.notify_all()

    def restart(self, seen: int, patience: float) -> bool:
        """Start the library anew, unless somebody did since `seen`; return False if it is too early for that."""
        with self._turn:
            self._turn.wait_for(lambda: not self._restarting, patience)
            if self.generation != seen:
                return True
            if self._restarting or monotonic() - self._restarted < _BETWEEN_RESTARTS:
                return False
            self._restarting = True
            try:
                if not self._turn.wait_for(lambda: self._inside == 0, patience):
                    return False  # a call hangs in the library: nothing can be done about it from here
                self._functions.finalise(None)
                self.generation += 1
                self._restarted = monotonic()
                self._initialise()
            finally:
                self._restarting = False
                self._turn.notify_all()
        return True


# ── a token ──────────────────────────────────────────────────────────────────────────────────────────────


class Token:
    """A token and its sessions.  `access` may be replaced: the next log-in and the next session go by it."""

    def __init__(self, library: Library, place: Place, access: Access) -> None:
        self._library = library
        self._place = place
        self.access = access
        self._lock = threading.Condition()
        self._generation = -1
        self._idle: list[Session] = []
        self._lent = 0
        self._logged_in: Any = None  # the session that logged in: while it is open, all are
        self._refused: SecretStr | None = None

    def use(self, task: Callable[[Session], Found]) -> Found:
        """Return what a task makes of a session; raise Unavailable, PinRefused or KeyMissing among others.

        A task that fails is run once more, on a library started anew.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: self._lent < self.access.sessions, self.access.patience):
                raise Unavailable("every session of the token is in use")
            self._lent += 1
        try:
            return self._twice(task)
        finally:
            with self._lock:
                self._lent -= 1
                self._lock.notify()

    def _twice(self, task: Callable[[Session], Found]) -> Found:
        try:
            return self._once(task)
        except PinRefused:
            raise
        except _Failed as failed:
            if not self._library.restart(failed.generation, self.access.patience):
                raise failed.away from failed
        try:
            return self._once(task)
        except _Failed as failed:
            raise failed.away from failed

    def _once(self, task: Callable[[Session], Found]) -> Found:
        with self._library.entered(self.access.patience) as generation:
            session = None
            try:
                session = self._taken(generation)
                done = task(session)
            except PinRefused:
                raise
            except (Unavailable, PKCS11Error) as error:
                if session is not None:
                    with contextlib.suppress(PKCS11Error):  # its handle may be dead: then there is nothing to close
                        session.session.close()
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
            return Session(self._found().open())

    def _found(self) -> Any:
        try:
            if self._place.slot is None:
                return self._library.calls.get_token(token_label=self._place.label)
            slots = self._library.calls.get_slots(token_present=True)
            return next(slot for slot in slots if slot.slot_id == self._place.slot).get_token()
        except (wrong.NoSuchToken, StopIteration) as error:
            which = f"labelled {self._place.label!r}" if self._place.slot is None else f"in slot {self._place.slot}"
            raise Unavailable(f"no token {which} is there") from error

    def _log_in(self) -> Any:
        pin = self.access.pin
        if pin is not None and pin == self._refused:
            raise PinRefused("the token refused this PIN; it is not tried again")
        try:
            return self._found().open(user_pin=pin.get_secret_value() if pin else None)
        except _BAD_PIN as error:
            self._refused = pin
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
    """Return the token, one and the same for all that ask in this process; raise ConfigError or Unavailable."""
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
