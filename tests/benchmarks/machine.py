"""What a number was measured on: without it the number means nothing."""

from __future__ import annotations

import contextlib
import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from adapters.testkit.certificates import key

_TIMES = 100


def describe(folder: Path) -> dict[str, str]:
    """Return the machine in words: processor, versions, what a flush and an RSA operation cost, how busy it is."""
    return {
        "processor": f"{os.cpu_count()} × {_processor()}",
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "libxml2": ".".join(map(str, etree.LIBXML_VERSION)),
        "openssl": backend.openssl_version_text(),
        "flush of 4 kB": f"{_flush(folder) * 1e6:.0f} µs",
        "RSA-2048": "sign {:.0f} µs, verify {:.0f} µs".format(*(it * 1e6 for it in _rsa())),
        "load before": " ".join(f"{it:.1f}" for it in os.getloadavg()),
    }


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU time of a process and all that it has started, those that have ended included."""
    process = psutil.Process(pid)
    seconds = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # ended meanwhile: then it is its parent's
            times = one.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def resident(pid: int) -> int:
    """Return the octets in memory of a process and all that it has started; what they share counts once for each."""
    process = psutil.Process(pid)
    return sum(int(one.memory_info().rss) for one in (process, *process.children(recursive=True)))


def most_resident(pid: int) -> int:
    """Return the octets that a process had in memory at most (proc(5), VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")


def _median(do: Callable[[], object], clock: Callable[[], float]) -> float:
    took = []
    for _ in range(_TIMES):
        start = clock()
        do()
        took.append(clock() - start)
    return statistics.median(took)


def _flush(folder: Path) -> float:
    """Return the seconds that the disk under `folder` takes to make 4 kB durable."""
    file = folder / "flush"
    with file.open("wb", buffering=0) as out:

        def once() -> None:
            out.write(bytes(4096))
            os.fdatasync(out.fileno())

        took = _median(once, time.perf_counter)
    file.unlink()
    return took


def _rsa() -> tuple[float, float]:
    """Return the seconds of CPU time that a signature and its verification take: what no broker goes below."""
    own, how, text = key("residents"), padding.PKCS1v15(), b"text"
    value = own.sign(text, how, hashes.SHA256())  # type: ignore[call-arg, arg-type]
    public = own.public_key()
    return (
        _median(lambda: own.sign(text, how, hashes.SHA256()), time.thread_time),  # type: ignore[call-arg, arg-type]
        _median(lambda: public.verify(value, text, how, hashes.SHA256()), time.thread_time),  # type: ignore[call-arg, arg-type]
    )
