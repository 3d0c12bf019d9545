"""The tasks that are measured, and what they note down."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from pgqueue import PgQueue, current_job

NAP = 0.005
FIELDS = {"to": "user1@example.com", "subject": "hello world number 1"}
ARGS = '{"to": "user1@example.com", "subject": "hello world number 1"}'


@dataclass(slots=True)
class Tally:
    """`first` is when the first job began. The clock is the same in every process of a machine."""

    count: int = 0
    first: float = 0.0
    starts: list[tuple[int, int]] = field(default_factory=list)


app = PgQueue()
tally = Tally()


@app.task
async def noop(to: str, subject: str) -> None:
    """Do nothing."""
    tally.count += 1
    if not tally.first:
        tally.first = time.monotonic()


@app.task
def noop_in_a_thread(to: str, subject: str) -> None:
    """Do nothing, where blocking tasks run."""
    if not tally.first:
        tally.first = time.monotonic()


@app.task
async def nap(to: str, subject: str) -> None:
    """Wait, as for an answer from somewhere."""
    if not tally.first:
        tally.first = time.monotonic()
    await asyncio.sleep(NAP)


@app.task
async def stamp(to: str, subject: str) -> None:
    """Note when it began."""
    now = time.monotonic_ns()
    tally.starts.append((current_job().id, now))
