"""Keeps the slots fed: claims as much as will be run soon, and sleeps when there is nothing.

It is either asleep, with the bells in hand, so that every enqueue rings and is looked at at once;
or awake, and looks again and again, so that nobody has to ring. Rings hold up the commits of
others, so a queue in which much happens finds it awake.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import NamedTuple

import psycopg

from ..settings import WorkerSettings
from .claimer import Claimer
from .finisher import BATCH, Finisher
from .janitor import Janitor
from .listener import Listener, too_often
from .shares import Shares
from .slots import Slots
from .stint import Stint

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.05
"""Pauses between looks while awake: short enough to be quick, long enough to find several jobs."""
LONGEST_POLL = 0.25
"""The longest pause when nobody will ring."""
AWAKE = 1.0
"""Seconds to stay awake after the bells rang too often."""
FULL = 0.01
"""Seconds without a free slot after which the bells are handed on."""
AFTER_HOLDER = 0.02
"""Who only shares the bells leaves a new job to their holder for so many seconds."""
PREFETCH_TIME = 0.05
"""Claim ahead what is run in this many seconds."""
MOST_UNWRITTEN = 4 * BATCH
"""Outcomes waiting to be written before claiming pauses."""


class Look(NamedTuple):
    """What one look at every queue found, and whether there may be more to claim now."""

    found: bool
    more: bool


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
        self._shares = Shares(settings)
        self._stint = Stint(settings, slots)
        self._rate = 0.0
        self._measured = (time.monotonic(), 0)
        self._pause = FIRST_PAUSE
        self._awake_since, self._claimed_before = -AWAKE, 0
        self._full_since: float | None = None
        self.at_limit = False
        self._settled = asyncio.Event()
        self.asleep = self._quiet = False

    @property
    def worn_out(self) -> bool:
        """Whether it ended because its process should be replaced by a fresh one."""
        return self._stint.worn_out

    async def run(self) -> None:
        """Feed until told to stop, or until the settings say that it is enough."""
        while not self._stopping.is_set() and (self._quiet or not self._stint.is_over()):
            room = self._room()
            if room <= 0:
                if self._quiet and self._settings.once and self._slots.idle:
                    return
                await self._wait_for_room()
                continue
            self._full_since = None
            found, more = await self._claim(room)
            if found:
                self._pause = FIRST_PAUSE
            if self._settings.once and not found and self._slots.idle:
                await self._finisher.flush()
                if not await self._anything_due():
                    return
            elif not more:
                await self._rest()
            elif self.asleep:
                await self._wake_up_if_loud()

    def be_quiet(self, quiet: bool) -> list[tuple[int, int]]:
        """Claim no more, or again. Returns the (id, lease) of those that need not start here."""
        self._quiet = quiet
        given_back = self._slots.give_back() if quiet else []
        self._stint.note(-len(given_back))
        self._changed.set()
        self._listener.rouse()
        return given_back

    def gate_moved(self) -> None:
        """What ended, and is written, may let others through a gate."""
        self._settled.set()
        if self.asleep:
            self._listener.rouse()

    def slot_freed(self) -> None:
        """A queue that was at its limit may have more for the slot, and nobody rings for that."""
        if self.at_limit:
            self._listener.rouse()

    def _room(self) -> int:
        """How many jobs to claim now: none until it is worth a round trip."""
        if self._quiet or self._finisher.pending >= MOST_UNWRITTEN:
            return 0
        ahead = self._prefetch()
        held = self._slots.running + self._slots.waiting
        room = self._stint.left(self._settings.concurrency + ahead - held)
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

    async def _wait_for_room(self) -> None:
        """Until something changed. Who has the bells, and no slot for what they ring for, hands
        them on.
        """
        now = time.monotonic()
        if self._full_since is None:
            self._full_since = now
        elif self.asleep and now - self._full_since > FULL:
            await self._wake_up()
        self._changed.clear()
        if self._room() <= 0:
            await _wait(self._changed, FULL if self.asleep else None)

    async def _claim(self, room: int) -> Look:
        """One look at every queue in its turn, for its share of the room."""
        self._listener.hush()
        self._settled.clear()
        self.at_limit = found = more = False
        for queue in self._shares.turns():
            most = self._within_limit(queue, self._shares.of(queue, room))
            if most <= 0:
                continue
            try:
                await self._release_strays()
                claims = await self._claimer.claim(queue, most)
            except (psycopg.Error, TimeoutError) as error:
                self._trouble(error)
                await _wait(self._stopping, 0.5 * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                return Look(found, True)
            if self._quiet:  # since it was asked for them
                self._finisher.release([(claim.id, claim.lease) for claim in claims])
                return Look(found, True)
            if claims:
                found = True
                self._stint.note(len(claims))
                self._slots.take(claims, self._shares.place(queue))
            more = more or len(claims) == most or self._claimer.looks_back(queue)
            self._shares.serve(queue, len(claims), exhausted=len(claims) < most)
            room -= len(claims)
            if room <= 0 or self._stopping.is_set():
                return Look(found, True)
        return Look(found, more)

    def _within_limit(self, queue: str, share: int) -> int:
        limit = self._settings.queues[queue]
        if limit is None:
            return share
        free = limit - self._slots.held_of(queue)
        self.at_limit = self.at_limit or free <= 0
        return min(share, free)

    async def _release_strays(self) -> None:
        """Between claims, when this worker knows all that it holds."""
        strays = await self._claimer.strays(
            lambda: [*self._slots.held_leases(), *self._finisher.leases()]
        )
        if strays:
            self._finisher.release(strays)

    async def _rest(self) -> None:
        """Sleep until a bell rings. Who is awake takes the bells first, if that can be, and looks
        once more; or else pauses.
        """
        if self.asleep:
            await self._sleep()
        elif not self._settings.once and self._is_calm():
            await self._arm()
            if self.asleep:
                return
        if not self.asleep:
            await _wait(self._settled if self._claimer.has_gate else self._stopping, self._pause)
            listening = self._listener.working
            cap = LONGEST_PAUSE if listening else min(self._settings.poll, LONGEST_POLL)
            self._pause = min(self._pause * 1.5, cap)

    async def _sleep(self) -> None:
        longest = self._settings.poll * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        if self._settings.max_idle is not None:
            longest = min(longest, self._settings.max_idle)
        if await self._listener.sleep(min(longest, self._claimer.pause())):
            await self._wake_up_if_loud()
            if self.asleep and self._listener.is_for_another_holder:
                await _wait(self._stopping, AFTER_HOLDER)
        if self.asleep:
            await self._arm()

    async def _arm(self) -> None:
        """Take the bells, or make sure that somebody has them. Whether the janitor is told of
        scheduled jobs depends on it.
        """
        before = self.asleep, self._listener.holds_bells
        self.asleep = await self._listener.arm()
        if before != (self.asleep, self._listener.holds_bells):
            self._janitor.poke()

    async def _wake_up_if_loud(self) -> None:
        if self._listener.rang_too_often(self._finisher.quickest):
            self._stay_awake()
            await self._wake_up()

    def _stay_awake(self) -> None:
        self._awake_since, self._claimed_before = time.monotonic(), self._stint.claimed

    def _is_calm(self) -> bool:
        """Whether the bells would not ring too often, as far as can be told while awake."""
        awake = time.monotonic() - self._awake_since
        if awake < AWAKE:
            return False
        if too_often((self._stint.claimed - self._claimed_before) / awake, self._finisher.quickest):
            self._stay_awake()
            return False
        return True

    async def _wake_up(self) -> None:
        self.asleep = False
        self._pause = FIRST_PAUSE
        self._janitor.poke()
        await self._listener.disarm()

    async def _anything_due(self) -> bool:
        """Whether the janitor finds jobs that are due but were not ready yet."""
        try:
            until = await self._janitor.promote()
        except (psycopg.Error, TimeoutError) as error:
            self._trouble(error)
            await _wait(self._stopping, 0.5)
            return True
        if until <= 0:
            return True
        found, more = await self._claim(max(1, self._room()))
        return found or more


async def _wait(event: asyncio.Event, longest: float | None) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(longest):
            await event.wait()
