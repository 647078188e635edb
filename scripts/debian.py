"""Find the programs of the test engines, or have Debian install them.

scripts/debian.py softhsm        see to it that the test token's library is there
scripts/debian.py fiu            likewise libfiu, which lets system calls fail
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

PACKAGES = {
    "postgres": "postgresql",
    "rabbitmq": "rabbitmq-server",
    "softhsm": "softhsm2",
    "fiu": "fiu-utils",
}
POLICY = Path("/usr/sbin/policy-rc.d")


def give_up(message: str) -> NoReturn:
    """End with one line on standard error and status 1."""
    sys.exit(f"engines: {message}")


def program(name: str) -> str | None:
    """Return the path of `postgres`, of RabbitMQ's own start script, of `epmd`, of SoftHSM, of libfiu, if it is there.

    Debian keeps them out of PATH; its /usr/sbin/rabbitmq-server is a wrapper that insists on being root or
    rabbitmq and loses the environment.
    """
    place, command = {
        "postgres": ("/usr/lib/postgresql/*/bin/postgres", "postgres"),
        "rabbitmq": ("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server", "rabbitmq-server"),
        "epmd": ("/usr/lib/erlang/erts-*/bin/epmd", "epmd"),
        "softhsm": ("/usr/lib/softhsm/libsofthsm2.so", "softhsm2-util"),
        "fiu": ("/usr/lib/fiu/fiu_posix_preload.so", "fiu-run"),
    }[name]
    found = sorted(map(str, Path("/").glob(place[1:])), key=_version)
    return found[-1] if found else shutil.which(command)


def _version(path: str) -> list[int]:
    return [int(digits) for digits in "".join(c if c.isdigit() else " " for c in path).split()]


def install(names: list[str]) -> None:
    """Install what is missing, or say what to install; no system service is started on the way."""
    missing = [PACKAGES[name] for name in names if program(name) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        give_up(f"not installed: {', '.join(missing)}; as root: apt-get install {' '.join(missing)}")
    print(f"installing {', '.join(missing)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    with no_services():
        subprocess.run([*apt, "update"], env=environment, capture_output=True, check=False)  # noqa: S603 - our own words
        done = subprocess.run(  # noqa: S603 - our own words
            [*apt, "install", "--no-install-recommends", *missing],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode != 0 or any(program(name) is None for name in names):
        give_up(f"apt-get install {' '.join(missing)} failed:\n{tail(done.stdout)}")


@contextmanager
def no_services() -> Iterator[None]:
    """Keep Debian's packages from starting their services: 101 means "forbidden by policy"."""
    try:
        handle = os.open(POLICY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    except FileExistsError:  # the machine has a policy of its own, and it stays
        yield
        return
    with os.fdopen(handle, "w") as policy:
        policy.write("#!/bin/sh\nexit 101\n")
    try:
        yield
    finally:
        POLICY.unlink()


def tail(text: str) -> str:
    """Return the last lines of a log."""
    return "\n".join(text.splitlines()[-25:])


if __name__ == "__main__":
    install(sys.argv[1:])
