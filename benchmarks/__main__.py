"""What a worker process and an enqueuing connection reach, beside raw psycopg doing the same SQL.

    python -m benchmarks [--dsn URL] [--jobs 50000] [--rounds 3] [--json]

Everything runs interleaved on one server: without --dsn a private one is started with the same
durability as production (fsync and synchronous_commit on). It works in a database of its own, which
it creates and drops. Read ratios of one run; absolute figures move with what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field

import psycopg

from pgqueue.embedded import EmbeddedServer
from pgqueue.migrations import upgrade

from . import drain, enqueue

DATABASE = "pgqueue_benchmark"
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "fsync": "on",
    "full_page_writes": "on",
}


@dataclass(slots=True)
class Figure:
    """Jobs per second of each round, beside the floor's of the same round."""

    name: str
    floor: str
    ours: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        pairs = zip(self.ours, self.floors, strict=True)
        return statistics.median(ours / floor for ours, floor in pairs)


def main() -> int:
    options = _options()
    with ExitStack() as stack:
        dsn = options.dsn or stack.enter_context(EmbeddedServer(settings=SETTINGS)).dsn()
        stack.enter_context(_database(dsn))
        own = psycopg.conninfo.make_conninfo(dsn, dbname=DATABASE)
        upgrade(own)
        version = _version(own)
        figures = _measure(own, options.jobs, options.rounds)
    if options.json:
        print(json.dumps([_record(figure) for figure in figures], indent=2))
    else:
        _print(figures, version, options)
    return 0


def _measure(dsn: str, jobs: int, rounds: int) -> list[Figure]:
    drains = Figure("drain, one worker process", "raw claim + complete, batches of 500")
    enqueues = Figure("enqueue, one job a commit", "raw INSERT of the same row")
    in_bulk = Figure("enqueue_many, 1000 a commit", "raw INSERT … SELECT FROM unnest")
    for round_ in range(1, rounds + 1):
        print(f"round {round_} of {rounds}", file=sys.stderr)
        drains.floors.append(drain.floor(dsn, jobs))
        drains.ours.append(drain.worker(dsn, jobs))
        for figure, floor, ours in (
            (enqueues, enqueue.floor, enqueue.one_by_one),
            (in_bulk, enqueue.floor_in_bulk, enqueue.in_bulk),
        ):
            figure.floors.append(floor(dsn))
            figure.ours.append(ours(dsn))
    return [drains, enqueues, in_bulk]


def _print(figures: list[Figure], version: str, options: argparse.Namespace) -> None:
    print(
        f"\nPostgreSQL {version}, Python {platform.python_version()}, {options.rounds} rounds,",
        end=" ",
    )
    print(f"{options.jobs:,} jobs to drain; median jobs/s (lowest to highest)\n")
    for figure in figures:
        print(f"{figure.name:<30} {_spread(figure.ours)}")
        print(f"  floor: {figure.floor:<38} {_spread(figure.floors)}")
        print(f"  ratio of the same round, median: {figure.ratio:.2f}\n")
    print(f"again: python -m benchmarks --jobs {options.jobs} --rounds {options.rounds}")


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):>9,.0f}  ({min(values):,.0f} to {max(values):,.0f})"


def _record(figure: Figure) -> dict[str, object]:
    return {
        "name": figure.name,
        "floor": figure.floor,
        "jobs_per_second": figure.ours,
        "floor_per_second": figure.floors,
        "ratio": round(figure.ratio, 3),
    }


def _version(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else "?"


def _database(dsn: str) -> ExitStack:
    """A database of our own, dropped at the end."""
    stack = ExitStack()
    connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
    stack.callback(connection.execute, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    connection.execute(f"CREATE DATABASE {DATABASE}")
    return stack


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--dsn", help="a server to use instead of a private one")
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
