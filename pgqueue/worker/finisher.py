"""Collects how attempts ended, and has it written in batches.

A batch forms while others run: it is written when it is full, after a few milliseconds, or at once
when nothing else runs. A write whose answer was lost is simply made again, since a job that it
finished the first time no longer matches.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

import psycopg

from ..events import Observer, Trouble
from ..outcome import Succeeded, describe
from .writer import Ended, Pair, Writer

BATCH = 1_000
BATCH_BYTES = 2_000_000
DELAY = 0.005
"""Seconds that a result waits for company while other jobs run."""
PROGRESS_EVERY = 1.0
LAST_WRITES = 10.0
"""Seconds that the last outcomes get to be written before others have to rescue them."""
ASIDE = 1.0
"""Seconds between attempts to write an end whose row others have locked."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
FORGET = 1.01
"""Each write makes what is known of the quickest one this much older."""


class Finisher:
    """What one worker process has yet to write, one batch at a time.

    `written` is called after each round, and told whether an end in it was no success.
    """

    def __init__(
        self,
        writer: Writer,
        worker: str,
        *,
        emit: Observer,
        busy: Callable[[], bool],
        written: Callable[[bool], None],
    ) -> None:
        self._writer = writer
        self._worker = worker
        self._emit = emit
        self._busy = busy
        self._written = written
        self._ended: list[Ended] = []
        self._released: list[Pair] = []
        self._locked: list[Ended] = []
        self._locked_released: list[Pair] = []
        self._progress: dict[Pair, str] = {}
        self._progress_due = 0.0
        self._unsuccessful = False
        self.quickest = 0.001
        """Seconds that a commit takes here, by the quickest of the latest writes."""
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def pending(self) -> int:
        locked = len(self._locked) + len(self._locked_released)
        return len(self._ended) + len(self._released) + locked

    def leases(self) -> list[int]:
        """Leases whose end is not written yet."""
        released = [lease for _, lease in (*self._released, *self._locked_released)]
        return [ended.lease for ended in (*self._ended, *self._locked)] + released

    def add(self, ended: Ended) -> None:
        self._ended.append(ended)
        self._rouse()

    def release(self, pairs: Sequence[Pair]) -> None:
        """Give back claims that were not run to an end."""
        if pairs:
            self._released.extend(pairs)
            self._rouse()

    def report(self, id: int, lease: int, progress: str) -> None:
        """Store the latest progress of a running job, within a second."""
        self._progress[id, lease] = progress
        self._rouse()

    async def flush(self) -> None:
        """Wait until all that was added is written, but not long for what is locked or refused."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WRITES):
                await self._idle.wait()

    async def run(self) -> NoReturn:
        """Write batches for ever; errors are retried until they are written or cancelled."""
        pause = FIRST_PAUSE
        while True:
            await self._wake.wait()
            self._wake.clear()
            if len(self._ended) < BATCH and self._busy():
                await asyncio.sleep(DELAY)
            try:
                await self._write_all()
            except (psycopg.Error, TimeoutError) as error:
                self._writer.again = True
                self._emit(Trouble(self._worker, "finish", describe(error).message))
                self._wake.set()
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            self._writer.again = False
            self._written(self._unsuccessful)
            self._unsuccessful = False
            if not self.pending:
                if self._progress:
                    asyncio.get_running_loop().call_later(PROGRESS_EVERY, self._wake.set)
                self._idle.set()

    def _rouse(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def _write_all(self) -> None:
        """What was written is taken off its list only afterwards: an error loses nothing."""
        while self._ended:
            batch = self._batch()
            await self._store_progress(ended.pair for ended in batch)
            began = time.monotonic()
            locked = await self._writer.write(batch)
            if not all(ended.committed for ended in batch):  # those only had to be looked at
                self.quickest = min(self.quickest * FORGET, time.monotonic() - began)
            self._unsuccessful |= any(not isinstance(ended.outcome, Succeeded) for ended in batch)
            del self._ended[: len(batch)]
            self._set_aside(locked, [])
        while self._released:
            pairs = sorted(self._released[:BATCH])
            await self._store_progress(pairs)
            locked_pairs = await self._writer.release(pairs)
            del self._released[: len(pairs)]
            self._set_aside([], locked_pairs)
        now = asyncio.get_running_loop().time()
        if self._progress and now >= self._progress_due:
            self._progress_due = now + PROGRESS_EVERY
            await self._store_progress(tuple(self._progress))

    def _batch(self) -> list[Ended]:
        """The next ends to write: at most BATCH of them, or BATCH_BYTES of results."""
        size = 0
        for number, ended in enumerate(self._ended[:BATCH], 1):
            if isinstance(ended.outcome, Succeeded) and ended.outcome.result is not None:
                size += len(ended.outcome.result)
                if size >= BATCH_BYTES:
                    return self._ended[:number]
        return self._ended[:BATCH]

    def _set_aside(self, ended: list[Ended], released: list[Pair]) -> None:
        """Try these again in a moment. Somebody holds their rows, perhaps for long."""
        self._locked += ended
        self._locked_released += released
        if ended or released:
            asyncio.get_running_loop().call_later(ASIDE, self._bring_back)

    def _bring_back(self) -> None:
        self._ended += self._locked
        self._released += self._locked_released
        self._locked.clear()
        self._locked_released.clear()
        self._rouse()

    async def _store_progress(self, pairs: Iterable[Pair]) -> None:
        """What a job reported is stored before it ends: its next attempt can go on from it."""
        if not self._progress:
            return
        for pair in pairs:
            text = self._progress.get(pair)
            if text is not None:
                await self._writer.store_progress(pair, text)
                if self._progress[pair] is text:
                    del self._progress[pair]
