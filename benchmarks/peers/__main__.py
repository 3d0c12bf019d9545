"""The same work on the Python queues for PostgreSQL, interleaved on one server.

    python -m benchmarks.peers [--peers a,b] [--jobs 20000] [--rounds 3] [--dsn URL] [--json]

Without --dsn a private server is started, as durable as production. Read README.md beside this for
what each peer's settings are and what is not comparable, and ratios of one run, not single figures.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg

from pgqueue.embedded import EmbeddedServer

from . import run
from .databases import Databases
from .figures import Figures
from .peer import MODULES, load
from .report import show

Step = Callable[[Figures, str, Databases, Any], None]

SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


def main() -> int:
    options = _options()
    figures = Figures()
    peers = _installed(options.peers.split(","), figures)
    with ExitStack() as stack:
        dsn = options.dsn or stack.enter_context(EmbeddedServer(settings=SETTINGS)).dsn()
        databases = stack.enter_context(Databases(dsn))
        for peer in peers:
            databases.install(peer)
        _measure(databases, peers, figures, options)
        heading = (
            f"PostgreSQL {databases.version()}, Python {platform.python_version()}, "
            f"{options.rounds} rounds, at most {options.jobs:,} jobs to drain"
        )
    if options.json:
        print(json.dumps({"run": heading, **vars(figures)}, indent=2))
    else:
        show(figures, peers, heading)
    return 1 if figures.failures else 0


def _measure(
    databases: Databases, peers: list[str], figures: Figures, options: argparse.Namespace
) -> None:
    for round_ in range(options.rounds):
        turn = round_ % len(peers)
        for step in (_enqueue, _drain, _latency):
            for peer in peers[turn:] + peers[:turn]:
                print(f"round {round_ + 1}: {step.__name__[1:]} {peer}", file=sys.stderr)
                _try(figures, peer, step, databases, options.jobs)
    for peer in peers if options.pin_seconds else []:
        print(f"pinned: {peer}", file=sys.stderr)
        _try(figures, peer, _pinned, databases, options.pin_seconds)


def _enqueue(figures: Figures, peer: str, databases: Databases, jobs: int) -> None:
    for connections in (1, 4):
        rate = run.enqueue(databases, peer, connections)
        figures.add(f"enqueue_{connections}", peer, rate)


def _drain(figures: Figures, peer: str, databases: Databases, jobs: int) -> None:
    default, tuned = (min(jobs, most) for most in load(peer).most)
    drained = run.drain(databases, peer, default, "default")
    figures.add("drain_default", peer, drained.rate)
    drained = run.drain(databases, peer, tuned, "tuned")
    figures.add("bulk", peer, drained.bulk)
    figures.add("drain_tuned", peer, drained.rate)
    figures.add("wal", peer, drained.wal)
    drained = run.drain(databases, peer, 2 * tuned, "tuned", workers=2)
    figures.add("drain_tuned_2", peer, drained.rate)


def _latency(figures: Figures, peer: str, databases: Databases, jobs: int) -> None:
    waited = run.latency(databases, peer)
    figures.add("latency_p50", peer, waited.brisk)
    figures.add("latency_p99", peer, waited.brisk_p99)
    figures.add("latency_calm", peer, waited.calm)


def _pinned(figures: Figures, peer: str, databases: Databases, seconds: float) -> None:
    jobs = int(1.5 * seconds * figures.median("drain_tuned", peer))
    figures.add("pinned", peer, run.pinned(databases, peer, jobs, seconds))


def _try(figures: Figures, peer: str, step: Step, databases: Databases, amount: float) -> None:
    """What fails is told at the end, and stops nothing else."""
    try:
        step(figures, peer, databases, amount)
    except (RuntimeError, psycopg.Error) as error:
        figures.failures[f"{peer}, {step.__name__[1:]}"] = str(error)


def _installed(names: list[str], figures: Figures) -> list[str]:
    found = []
    for name in names:
        try:
            load(name)
        except ImportError as error:
            figures.left_out[name] = f"not installed ({error})"
        else:
            found.append(name)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--peers", default=",".join(MODULES), help="which, with commas between")
    parser.add_argument("--jobs", type=int, default=20_000, help="to drain, fewer for slow peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dsn", help="a server to use instead of a private one")
    parser.add_argument("--json", action="store_true", help="every value of every round")
    parser.add_argument(
        "--pin-seconds", type=float, default=0, help="also drain with an old snapshot held"
    )
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
