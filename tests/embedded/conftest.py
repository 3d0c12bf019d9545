"""Private servers for the tests of the driver itself, and places where they can be."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pgqueue.embedded import Binaries, EmbeddedServer, EmbeddedServerError, find_binaries

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root has to lend the server an account")


@pytest.fixture(scope="session")
def private() -> Iterator[EmbeddedServer]:
    """A running temporary server, for tests that leave it as it is."""
    with EmbeddedServer() as server:
        yield server


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory below which servers can be made (pytest's own is closed to the lent account)."""
    path = Path(tempfile.mkdtemp(prefix="pgqueue-place-", dir="/tmp"))
    if ROOT:
        path.chmod(0o711)
    yield path
    for lock in path.glob("**/pgqueue.lock"):
        # A keeper may still be stopping the server of an owner that the test has killed.
        with lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def seed() -> Iterator[Path]:
    """The directory of a server that has run and was stopped, for copying."""
    with tempfile.TemporaryDirectory(prefix="pgqueue-seed-", dir="/tmp") as path:
        Path(path).chmod(0o711 if ROOT else 0o700)
        with EmbeddedServer(Path(path, "data"), durable=False) as server:
            pass
        yield server.data


@pytest.fixture
def lasting(place: Path, seed: Path) -> Iterator[Callable[..., EmbeddedServer]]:
    """Makes servers with lasting data in `place`, which end with the test even if detached.

    Unless `fresh`, their cluster is a copy made beforehand, which saves the time of initdb.
    """
    made = []

    def make(name: str = "data", *, fresh: bool = False, **options: Any) -> EmbeddedServer:
        if not fresh and "binaries" not in options and not (place / name).exists():
            subprocess.run(["cp", "-a", seed, place / name], check=True)
        options = {"durable": False} | options
        made.append(EmbeddedServer(place / name, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()
        with contextlib.suppress(EmbeddedServerError):
            server.delete()


@pytest.fixture(scope="session")
def other_binaries() -> Binaries:
    """The programs of another major version than the usual."""
    usual = find_binaries().major
    for major in range(14, 30):
        if major != usual:
            with contextlib.suppress(EmbeddedServerError):
                return find_binaries(major, environ={"PATH": os.environ["PATH"]})
    pytest.skip("only one major version of PostgreSQL is on this machine")


@pytest.fixture
def python() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts Python scripts as processes of their own, which are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
        given: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        command = [sys.executable, "-c", script, *map(str, arguments)]
        started.append(subprocess.Popen(command, text=True, **(given | options)))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def is_gone(pid: int | None) -> bool:
    """Whether the process has ended; a zombie has."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
