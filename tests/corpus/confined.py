"""The corpus, judged in a process that the kernel ends when it opens a file or a socket, or starts a program.

`python -m tests.corpus.confined [OFFENCE]`, on Linux.  Documents are put to one broker first, so that modules are
loaded, then to a second one behind a filter of system calls (seccomp): an audit hook of Python would not hear of what
libxml2 opens by itself.  OFFENCE (`file`, `socket`, `program`) is done after three documents, to show that it would
be noticed.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import tempfile
from pathlib import Path

from tests.corpus.kept import by_hand, kept
from tests.corpus.world import World

# open, openat, openat2, socket, connect, sendto, execve (linux: arch/x86/entry/syscalls, include/uapi/asm-generic)
_CALLS = {"x86_64": (2, 257, 437, 41, 42, 44, 59), "aarch64": (56, 437, 198, 203, 206, 221)}
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # of prctl(2)
_LOAD_CALL, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # of BPF
_KILL_PROCESS, _ALLOW = 0x80000000, 0x7FFF0000  # of seccomp(2)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def confine() -> None:
    """Let the kernel end this process when it opens, connects or starts anything from now on; there is no way back."""
    forbidden = _CALLS[platform.machine()]
    steps = [(_LOAD_CALL, 0, 0, 0)]
    steps += [(_IF_EQUAL, len(forbidden) - at, 0, call) for at, call in enumerate(forbidden)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _KILL_PROCESS)]
    program = _Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*words):
            raise OSError(ctypes.get_errno(), "prctl")


def offend(how: str) -> None:
    """Do one of what must not happen, below Python, as a library would."""
    libc = ctypes.CDLL(None)
    {
        "file": lambda: libc.open(b"/dev/null", os.O_RDONLY),
        "socket": lambda: libc.socket(2, 1, 0),
        "program": lambda: libc.execve(b"/bin/true", None, None),
    }[how]()


def main(offence: str = "") -> None:
    """Print a line before each document, and `done` after the last one."""
    documents = [(it.path, it.read(), it.box, it.revocation, it.code) for it in kept()]
    documents += [(it.name, it.read_bytes(), "/corpus/any", "off", "") for it in by_hand()]
    if offence:
        del documents[3:]
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        # With a second opinion: what signxml does beside our own stages is confined as well.
        warm, world = World(Path(first), second_opinion=True), World(Path(second), second_opinion=True)
        for made in (warm, world):
            made.requiring  # noqa: B018 - the lists are read from files
        for confined in (False, True):
            if confined:
                confine()
            for path, document, box, revocation, code in documents:
                if confined:
                    os.write(1, f"{path}\n".encode())
                outcome = (world if confined else warm).put(document, box, revocation)
                assert outcome.code == code or not code, (path, outcome)
        if offence:
            offend(offence)
        os.write(1, b"done\n")
        os._exit(0)  # without leave-taking, which opens and removes files


if __name__ == "__main__":
    main(*sys.argv[1:])
