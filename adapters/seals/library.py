"""A PKCS#11 library: loaded once a process, entered by many threads, started anew by one that is alone.

The rules that this file keeps (PKCS#11 2.40 base, §5.4; python-pkcs11 0.10):

* A library is told that threads call it (CKF_OS_LOCKING_OK).  python-pkcs11 says the contrary, by C_Initialize(NULL),
  upon which SoftHSM locks nothing: so it is initialised here, and python-pkcs11 is handed a library that is ready.
* A token that went away leaves dead handles behind, and a library may keep its list of tokens from its start: so it is
  started anew by C_Finalize and C_Initialize, with nobody inside, and not oftener than once a second.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Final

from pkcs11 import PKCS11Error, _pkcs11

from broker.errors import ConfigError, Unavailable

_OS_LOCKING_OK: Final = 2
_OK, _CANT_LOCK, _ALREADY_INITIALISED = 0, 0x0A, 0x191
_BETWEEN_RESTARTS: Final = 1.0  # seconds


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
            raise Unavailable(
                f"the library could not start (C_Initialize {result:#x}): may this user read its configuration and "
                "its tokens?"
            )

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
