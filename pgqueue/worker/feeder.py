"""Keeps the slots fed: claims as much as will be run soon, polls for a moment when there is
nothing, then sleeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable

import psycopg

from ..settings import WorkerSettings
from .claimer import Claimer
from .finisher import BATCH, Finisher
from .janitor import Janitor
from .listener import Listener
from .memory import resident_mb
from .slots import Slots

FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.05
"""Pauses between looks at queues that were just busy."""
LONGEST_POLL = 0.25
"""The longest pause when nobody will ring."""
RESTLESS = 0.15
"""Seconds of nothing before a worker goes to sleep."""
PREFETCH_TIME = 0.05
"""Claim ahead what is run in this many seconds."""
MOST_UNWRITTEN = 4 * BATCH
"""Outcomes waiting to be written before claiming pauses."""


class Feeder:
    """Claims from the queues in turn, for one worker process."""

    def __init__(
        self,
        settings: WorkerSettings,
        claimer: Claimer,
        slots: Slots,
        finisher: Finisher,
        listener: Listener,
        janitor: Janitor,
        *,
        changed: asyncio.Event,
        stopping: asyncio.Event,
        trouble: Callable[[psycopg.Error | TimeoutError], None],
    ) -> None:
        self._settings = settings
        self._claimer = claimer
        self._slots = slots
        self._finisher = finisher
        self._listener = listener
        self._janitor = janitor
        self._changed = changed
        self._stopping = stopping
        self._trouble = trouble
        self._queues = deque(settings.queues)
        self._claimed = 0
        self._rate = 0.0
        self._measured = (time.monotonic(), 0)
        self._last_job = time.monotonic()
        self._checked_memory = 0.0
        self._pause = FIRST_PAUSE
        self._restless = 0.0
        self.asleep = False
        self.worn_out = False
        """Whether it ended because its process did, or used, as much as the settings allow."""

    async def run(self) -> None:
        """Feed until told to stop, or until the settings say that it is enough."""
        while not self._stopping.is_set() and not self._enough():
            room = self._room()
            if room <= 0:
                self._changed.clear()
                if self._room() <= 0:
                    await self._changed.wait()
            elif await self._claim(room):
                self._last_job = time.monotonic()
                self._pause, self._restless = FIRST_PAUSE, 0.0
                if self.asleep:
                    self.asleep = False
                    await self._listener.disarm()
            elif self._settings.once and self._slots.idle:
                await self._finisher.flush()
                if not await self._anything_due():
                    return
            else:
                await self._rest()

    def _room(self) -> int:
        """How many jobs to claim now: none until it is worth a round trip."""
        ahead = self._prefetch()
        held = self._slots.running + self._slots.waiting
        room = self._settings.concurrency + ahead - held
        if self._settings.max_jobs is not None:
            room = min(room, self._settings.max_jobs - self._claimed)
        if self._finisher.pending >= MOST_UNWRITTEN:
            return 0
        hungry = self._slots.waiting == 0 and self._slots.running < self._settings.concurrency
        return room if hungry or room >= (self._settings.concurrency + ahead) // 4 else 0

    def _prefetch(self) -> int:
        """Short jobs are claimed ahead, by the rate at which they end; long ones are left to
        others.
        """
        now = time.monotonic()
        since, finished = self._measured
        elapsed = now - since
        if elapsed > 0.001:
            rate = (self._slots.finished - finished) / elapsed
            weight = min(1.0, elapsed / PREFETCH_TIME)
            self._rate += weight * (rate - self._rate)
            self._measured = (now, self._slots.finished)
        return min(self._settings.prefetch, int(self._rate * PREFETCH_TIME))

    async def _claim(self, room: int) -> bool:
        """One look at every queue, beginning with the one that was last looked at longest ago."""
        found = False
        for queue in list(self._queues):
            self._queues.rotate(-1)
            limit = self._settings.queues[queue]
            most = room if limit is None else min(room, limit - self._slots.held_of(queue))
            if most <= 0:
                continue
            try:
                await self._release_strays()
                claims = await self._claimer.claim(queue, most)
            except (psycopg.Error, TimeoutError) as error:
                self._trouble(error)
                self._listener.rouse()  # this look may have been the last one before a sleep
                await self._interruptible(0.5 * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                return found
            if claims:
                found = True
                self._claimed += len(claims)
                room -= len(claims)
                self._slots.take(claims)
            if room <= 0 or self._stopping.is_set():
                break
        return found

    async def _release_strays(self) -> None:
        """Between claims, when this worker knows all that it holds."""
        strays = await self._claimer.strays(
            lambda: [*self._slots.held_leases(), *self._finisher.leases()]
        )
        if strays:
            self._finisher.release(strays)

    async def _rest(self) -> None:
        """Poll for a moment; then take the bells, look once more, and sleep until one rings."""
        if self.asleep:
            longest = self._settings.poll * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            if self._settings.max_idle is not None:
                longest = min(longest, self._settings.max_idle)
            if await self._listener.sleep(longest):
                self._janitor.poke()
            self.asleep = await self._listener.arm()
            return
        if self._restless >= RESTLESS and await self._listener.arm():
            self.asleep = True
            return
        await self._interruptible(self._pause)
        self._restless += self._pause
        cap = LONGEST_PAUSE if self._listener.working else min(self._settings.poll, LONGEST_POLL)
        self._pause = min(self._pause * 1.5, cap)

    async def _interruptible(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _anything_due(self) -> bool:
        """Whether the janitor finds jobs that are due but were not ready yet."""
        try:
            until = await self._janitor.promote()
        except (psycopg.Error, TimeoutError) as error:
            self._trouble(error)
            await self._interruptible(0.5)
            return True
        if until <= 0:
            return True
        room = max(1, self._room())
        return await self._claim(room)

    def _enough(self) -> bool:
        settings = self._settings
        if settings.max_jobs is not None and self._claimed >= settings.max_jobs:
            self.worn_out = True
            return True
        now = time.monotonic()
        if (
            settings.max_idle is not None
            and self._slots.idle
            and now - self._last_job > settings.max_idle
        ):
            return True
        if settings.max_rss_mb is not None and now - self._checked_memory > 1:
            self._checked_memory = now
            self.worn_out = resident_mb() > settings.max_rss_mb
        return self.worn_out
