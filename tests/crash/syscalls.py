"""Shows in which order a process writes, flushes and answers: a small strace that needs nothing installed.

    python syscalls.py FILE COMMAND…    runs the command and writes a JSON array of [call, file] into FILE

ptrace(2) with PTRACE_GET_SYSCALL_INFO (Linux 5.3).  A write is noted when it begins, a flush when it has ended
well, so "flush after write, before answer" in the list is so on the disk.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import sys
from pathlib import Path

TRACEME, CONTINUE, SETOPTIONS, SYSCALL_INFO = 0, 24, 0x4200, 0x420E
SYSGOOD, FORK, VFORK, CLONE, EXITKILL = 1, 2, 4, 8, 0x100000
ENTRY, EXIT = 1, 2
WALL = 0x40000000
AT_SYSCALL = signal.SIGTRAP | 0x80
CALLS = {
    "x86_64": {1: "write", 18: "write", 20: "write", 44: "write", 296: "write", 74: "flush", 75: "flush"},
    "aarch64": {64: "write", 68: "write", 66: "write", 206: "write", 70: "write", 82: "flush", 83: "flush"},
}[platform.machine()]


class Info(ctypes.Structure):
    """`struct ptrace_syscall_info`: at entry the number and its arguments, at exit the result."""

    _fields_ = [
        ("op", ctypes.c_uint8),
        ("_pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("first", ctypes.c_uint64),  # number, or at exit the result
        ("args", ctypes.c_uint64 * 6),
    ]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request: int, thread: int, address: int = 0, data: int = 0) -> None:
    if libc.ptrace(request, thread, address, data) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def trace(command: list[str]) -> tuple[int, list[tuple[str, str]]]:
    """Run the command to its end; return its exit status and the calls of all its threads."""
    child = os.fork()
    if child == 0:
        ptrace(TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.execvp(command[0], command)
    os.waitpid(child, 0)
    ptrace(SETOPTIONS, child, 0, SYSGOOD | FORK | VFORK | CLONE | EXITKILL)
    ptrace(CONTINUE, child)
    seen: list[tuple[str, str]] = []
    flushing: dict[int, str] = {}
    while True:
        thread, status = os.waitpid(-1, WALL)
        if not os.WIFSTOPPED(status):
            if thread == child:
                return os.waitstatus_to_exitcode(status), seen
            continue
        stopped_by, pass_on = os.WSTOPSIG(status), 0
        if stopped_by == AT_SYSCALL:
            note(thread, seen, flushing)
        elif stopped_by not in {signal.SIGTRAP, signal.SIGSTOP}:
            pass_on = stopped_by
        try:
            ptrace(CONTINUE, thread, 0, pass_on)
        except ProcessLookupError:
            continue  # killed meanwhile: its end is reported next


def note(thread: int, seen: list[tuple[str, str]], flushing: dict[int, str]) -> None:
    info = Info()
    ptrace(SYSCALL_INFO, thread, ctypes.sizeof(info), ctypes.addressof(info))
    if info.op == ENTRY and (call := CALLS.get(info.first)):
        file = str(Path(f"/proc/{thread}/fd/{info.args[0]}").readlink())
        if call == "write":
            seen.append((call, file))
        else:
            flushing[thread] = file
    elif info.op == EXIT and thread in flushing:
        file = flushing.pop(thread)
        if info.first == 0:
            seen.append(("flush", file))


if __name__ == "__main__":
    exit_status, calls = trace(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(calls))
    sys.exit(exit_status)
