"""A worker as a process of its own, which tests stop, freeze and kill."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.support.jobs import values
from tests.support.waiting import eventually
from tests.support.working import QUICK

ROOT = Path(__file__).parent.parent.parent


class WorkerProcess:
    """`pgqueue.worker.run` in a new process. Everything it prints goes to a log file."""

    def __init__(self, app: str, dsn: str, log: Path, **settings: Any) -> None:
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.run_worker", app, json.dumps(settings)],
                cwd=ROOT,
                env={**os.environ, "PGQUEUE_DSN": dsn},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def registered(self, connection: psycopg.Connection[Any]) -> int:
        """Wait until it has registered; its worker id."""

        def ids() -> list[int]:
            assert self.process.poll() is None, f"the worker ended: {self.log}"
            query = "SELECT id FROM pgqueue.worker WHERE pid = %s ORDER BY id DESC"
            return values(connection, query, self.pid)

        return eventually(ids, what="the worker registers")[0]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def freeze(self) -> None:
        """SIGSTOP, and wait until it stands."""
        self.signal(signal.SIGSTOP)
        status = Path(f"/proc/{self.pid}/stat")
        eventually(lambda: status.read_text().rpartition(")")[2].split()[0] == "T")

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait(20)

    def exit_code(self, within: float = 30) -> int:
        """Wait for its end."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker did not end:\n{self.log}") from None


StartWorker = Callable[..., WorkerProcess]


@contextmanager
def worker_processes(app: str, dsn: str, directory: Path) -> Iterator[StartWorker]:
    """Starts worker processes; whatever still runs at the end of the block is killed."""
    started: list[WorkerProcess] = []

    def start(*, through: str = dsn, **settings: Any) -> WorkerProcess:
        log = directory / f"worker-{len(started)}.log"
        started.append(WorkerProcess(app, through, log, **{**QUICK, **settings}))
        return started[-1]

    try:
        yield start
    finally:
        for worker in started:
            if worker.process.poll() is None:
                worker.thaw()
                worker.kill()
        for worker in started:
            print(f"--- worker {worker.pid}\n{worker.log}")
