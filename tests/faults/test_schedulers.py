"""Five schedulers, one of them killed every two seconds, with clocks that are hours apart: every
tick of an every-second schedule happens once, and none is missing.

For 20 seconds here; PGQUEUE_SCHEDULERS_SECONDS=300 makes it five minutes.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.jobs import Connection, register, row, rows, value, values
from tests.support.process import ROOT
from tests.support.waiting import eventually

SECONDS = float(os.environ.get("PGQUEUE_SCHEDULERS_SECONDS", "20"))
KILL_EVERY = 2.0
SKEWS = (-7200, -3600, 0, 3600, 7200)
SETTINGS = {"heartbeat": 0.5, "lease": 1.5, "concurrency": 4}


@contextmanager
def schedulers(dsn: str, log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Five of them; whatever stands in the list at the end is killed."""
    running = [start(dsn, skew, log) for skew in SKEWS]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait(20)
        print(log.read_text(errors="replace")[-5000:])


def start(dsn: str, skew: float, log: Path) -> subprocess.Popen[bytes]:
    """A worker whose clock is wrong by so many seconds."""
    app = "tests.faults.ticking:app"
    with log.open("ab") as output:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.run_skewed",
                str(skew),
                app,
                json.dumps(SETTINGS),
            ],
            cwd=ROOT,
            env={**os.environ, "PGQUEUE_DSN": dsn},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 180)
def test_every_tick_once(dsn: str, connection: Connection, tmp_path: Path) -> None:
    with schedulers(dsn, tmp_path / "log") as running:
        eventually(
            lambda: value(connection, "SELECT count(*) >= 5 FROM pgqueue.worker"),
            what="all schedulers work",
            within=60,
        )
        begun = value(connection, "SELECT clock_timestamp()")
        until = begun + timedelta(seconds=SECONDS)
        next_kill = time.monotonic() + KILL_EVERY
        killed = 0
        for place in itertools.cycle(range(len(SKEWS))):
            left = next_kill - time.monotonic()
            if value(connection, "SELECT clock_timestamp() > %s", until):
                break
            time.sleep(max(0.0, left))  # a murderer has a rhythm
            running[place].kill()
            running[place].wait(20)
            running[place] = start(dsn, SKEWS[place], tmp_path / "log")
            next_kill += KILL_EVERY
            killed += 1
        eventually(
            lambda: value(connection, "SELECT last_tick > %s FROM pgqueue.schedule", until),
            what="ticks go on",
        )
    assert killed >= SECONDS / KILL_EVERY - 1
    check_ticks(connection, begun, until)


def check_ticks(connection: Connection, begun: object, until: object) -> None:
    """Between two instants every second has one tick and one job, and no other job was made."""
    found = values(
        connection,
        "SELECT tick FROM pgqueue.tick WHERE tick > %s AND tick <= %s ORDER BY tick",
        begun,
        until,
    )
    expected = values(
        connection,
        "SELECT generate_series(date_trunc('second', CAST(%s AS timestamptz)) + interval '1 s', "
        "%s, interval '1 s')",
        begun,
        until,
    )
    assert found == expected
    assert len(found) >= SECONDS - 1
    made = "SELECT count(*) FROM pgqueue.jobs WHERE task = 'every_second'"
    assert value(connection, made) == value(connection, "SELECT count(*) FROM pgqueue.tick")
    doubled = """
        SELECT meta ->> 'tick' FROM pgqueue.jobs GROUP BY 1 HAVING count(*) > 1
    """
    assert values(connection, doubled) == []
    odd = "SELECT * FROM pgqueue.tick WHERE job_id IS NULL OR made_at < tick"
    assert rows(connection, odd) == []
    late = "SELECT max(made_at - tick) AS worst FROM pgqueue.tick WHERE tick > %s"
    print(f"{len(found)} ticks, each once; the latest came {row(connection, late, begun)['worst']}")


def test_the_skew_is_real(dsn: str, connection: Connection) -> None:
    """Or the other test would prove nothing about clocks."""
    assert register(connection) > 0
    code = "import time, datetime; print(time.time()); print(datetime.datetime.now().year)"
    program = f"import sys; sys.argv = ['x', '{3600 * 24 * 366 * 2}'];"
    program += "import tests.support.run_skewed as s, time, datetime;"
    program += "real = time.time(); time.time = lambda: s._time() + s.SKEW;"
    program += "assert s._Skewed.now().year >= datetime.datetime.now().year + 2;"
    done = subprocess.run(
        [sys.executable, "-c", program + code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(done.stdout.split()[0]) > time.time() + 3600
