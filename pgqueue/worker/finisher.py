"""Writes down how attempts ended: in batches, each write fenced by its lease.

A batch forms while others run: it is written when it is full, after a few milliseconds, or at once
when nothing else runs. A write whose answer was lost is simply made again, since a job that it
finished the first time no longer matches.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from ..database.link import Link
from ..database.statement import Statement
from ..events import LeaseWasLost, Observer, Trouble
from ..outcome import Cancelled, Dead, Failure, Outcome, Retrying, Snoozed, Succeeded, describe

_COMPLETE, _FAIL, _SNOOZE = Statement("complete"), Statement("fail"), Statement("snooze")
_CANCEL, _RELEASE, _FINISHED = (
    Statement("cancel_running"),
    Statement("release"),
    Statement("finished_by"),
)
_HELD, _PROGRESS = Statement("held"), Statement("report_progress")

BATCH = 500
DELAY = 0.003
"""Seconds that a result waits for company while other jobs run."""
PROGRESS_EVERY = 1.0
ASIDE = 1.0
"""Seconds between attempts to write an outcome whose row others have locked."""
_BLAMED_ON_THE_JOB = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


class Ended(NamedTuple):
    """An attempt with its outcome. `committed` says that its handler completed it by itself."""

    id: int
    lease: int
    queue: str
    outcome: Outcome
    committed: bool


@dataclass(frozen=True, slots=True)
class Released:
    """The outcome of a claim that was not run to an end."""


class Finisher:
    """Writes the outcomes of one worker process, one batch at a time."""

    def __init__(
        self,
        link: Link,
        worker: str,
        *,
        emit: Observer,
        busy: Callable[[], bool],
        retried: Callable[[], None],
        written: Callable[[], None],
    ) -> None:
        self._link = link
        self._worker = worker
        self._emit = emit
        self._busy = busy
        self._retried = retried
        self._written = written
        self._ended: list[Ended] = []
        self._released: list[tuple[int, int]] = []
        self._aside: list[Ended] = []
        self._aside_released: list[tuple[int, int]] = []
        self._progress: dict[tuple[int, int], str] = {}
        self._progress_due = 0.0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._again = False

    @property
    def pending(self) -> int:
        aside = len(self._aside) + len(self._aside_released)
        return len(self._ended) + len(self._released) + aside

    def leases(self) -> list[int]:
        """Leases whose end is not written yet."""
        released = [lease for _, lease in (*self._released, *self._aside_released)]
        return [ended.lease for ended in (*self._ended, *self._aside)] + released

    def add(self, ended: Ended) -> None:
        self._ended.append(ended)
        self._rouse()

    def release(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Give back claims (id, lease) that were not run to an end."""
        if pairs:
            self._released.extend(pairs)
            self._rouse()

    def report(self, id: int, lease: int, progress: str) -> None:
        """Store the latest progress of a running job, within a second."""
        self._progress[id, lease] = progress
        self._rouse()

    def _rouse(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def flush(self) -> None:
        """Wait until all that was added is written."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write batches for ever; errors are retried until they are written or cancelled."""
        pause = FIRST_PAUSE
        while True:
            await self._wake.wait()
            self._wake.clear()
            if len(self._ended) < BATCH and self._busy():
                await asyncio.sleep(DELAY)
            try:
                await self._write_all()
                pause = FIRST_PAUSE
            except (psycopg.Error, TimeoutError) as error:
                self._again = True
                self._emit(Trouble(self._worker, "finish", describe(error).message))
                self._wake.set()
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            self._again = False
            self._written()
            if not self.pending:
                if self._progress:
                    asyncio.get_running_loop().call_later(PROGRESS_EVERY, self._wake.set)
                self._idle.set()

    async def _write_all(self) -> None:
        """What was written is taken off its list only afterwards: an error loses nothing."""
        while self._ended:
            batch = self._ended[:BATCH]
            await self._store_progress((ended.id, ended.lease) for ended in batch)
            await self._write(batch)
            del self._ended[: len(batch)]
        while self._released:
            released = sorted(self._released[:BATCH])
            await self._store_progress(released)
            await self._release(released)
            del self._released[: len(released)]
        await self._write_progress()

    async def _write(self, batch: list[Ended]) -> None:
        succeeded: dict[str, list[Ended]] = defaultdict(list)
        others: list[Ended] = []
        for ended in batch:
            if isinstance(ended.outcome, Succeeded) and not ended.committed:
                succeeded[ended.queue].append(ended)
            else:
                others.append(ended)
        for queue, group in succeeded.items():
            group.sort()
            await self._complete(queue, group)
        committed = [ended for ended in others if ended.committed]
        if committed:
            await self._check_committed(committed)
        for ended in others:
            if not ended.committed:
                await self._conclude(ended, ended.outcome)
        if others:
            self._retried()

    async def _complete(self, queue: str, group: list[Ended]) -> None:
        """One statement for all. When it is refused, halves are tried, so that one job costs itself
        only.
        """
        if not group:
            return
        results = [
            f'"{ended.id}":{ended.outcome.result}'
            for ended in group
            if isinstance(ended.outcome, Succeeded) and ended.outcome.result is not None
        ]
        pairs = _pairs([(ended.id, ended.lease) for ended in group])
        parameters = {
            **pairs,
            "queue": queue,
            "results": "{" + ",".join(results) + "}" if results else None,
        }
        try:
            rows = await self._link.fetch(_COMPLETE.text, parameters)
        except psycopg.errors.LockNotAvailable:
            free, locked = await self._look(group)
            if not locked:
                raise
            self._set_aside(locked)
            await self._complete(queue, free)
            return
        except _BLAMED_ON_THE_JOB as error:
            if len(group) > 1:
                middle = len(group) // 2
                await self._complete(queue, group[:middle])
                await self._complete(queue, group[middle:])
            else:
                await self._conclude(group[0], Dead(describe(error)))
            return
        if rows[0][0] != len(group):
            await self._tell_lost(group, pairs)

    async def _tell_lost(self, group: list[Ended], pairs: dict[str, str]) -> None:
        """Some did not match: finished by an earlier write whose answer was lost, or leased to
        others.
        """
        rows = await self._link.fetch(_FINISHED.text, pairs)
        finished = {id for (id,) in rows}
        if self._again and not finished:
            return
        for ended in group:
            if ended.id not in finished:
                self._emit(LeaseWasLost(self._worker, ended.id))

    async def _check_committed(self, group: list[Ended]) -> None:
        """Handlers said that they completed these jobs themselves. Who is still leased, lied."""
        free, locked = await self._look(group, leased=True)
        self._set_aside(locked)
        for ended in free:
            await self._conclude(ended, ended.outcome)

    async def _look(
        self, group: list[Ended], *, leased: bool = False
    ) -> tuple[list[Ended], list[Ended]]:
        """Parts those whose rows somebody has locked from the others, or from the leased others."""
        pairs = _pairs(sorted((ended.id, ended.lease) for ended in group))
        free = dict(await self._link.fetch(_HELD.text, pairs))
        others = [ended for ended in group if free.get(ended.id, not leased)]
        return others, [ended for ended in group if free.get(ended.id) is False]

    def _set_aside(self, locked: list[Ended]) -> None:
        """Try these again in a moment. Somebody holds their rows, perhaps for long."""
        if locked:
            self._aside += locked
            asyncio.get_running_loop().call_later(ASIDE, self._bring_back)

    def _bring_back(self) -> None:
        self._ended += self._aside
        self._released += self._aside_released
        self._aside.clear()
        self._aside_released.clear()
        self._rouse()

    async def _release(self, pairs: list[tuple[int, int]]) -> None:
        try:
            await self._link.fetch(_RELEASE.text, _pairs(pairs))
        except psycopg.errors.LockNotAvailable:
            free = dict(await self._link.fetch(_HELD.text, _pairs(pairs)))
            locked = [pair for pair in pairs if free.get(pair[0]) is False]
            if not locked:
                raise
            self._aside_released += locked
            asyncio.get_running_loop().call_later(ASIDE, self._bring_back)
            rest = [pair for pair in pairs if pair not in locked]
            await self._link.fetch(_RELEASE.text, _pairs(rest))

    async def _conclude(self, ended: Ended, outcome: Outcome) -> None:
        """Write one outcome that is not a plain success."""
        fence = {"id": ended.id, "lease": ended.lease}
        match outcome:
            case Retrying(delay, failure):
                statement, parameters = _FAIL, {**_failure(failure), "delay": delay.total_seconds()}
            case Dead(failure):
                statement, parameters = _FAIL, {**_failure(failure), "delay": None}
            case Snoozed(delay):
                statement, parameters = _SNOOZE, {"delay": delay.total_seconds()}
            case Cancelled(reason):
                statement, parameters = _CANCEL, {"reason": reason}
            case Succeeded():
                return
        try:
            rows = await self._link.fetch(statement.text, {**parameters, **fence})
        except psycopg.errors.LockNotAvailable:
            self._set_aside([ended._replace(outcome=outcome)])
            return
        except psycopg.IntegrityError as error:
            self._emit(Trouble(self._worker, "finish", describe(error).message))
            self._set_aside([ended._replace(outcome=outcome)])
            return
        if rows[0][0] is None and not self._again:
            self._emit(LeaseWasLost(self._worker, ended.id))

    async def _write_progress(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._progress or now < self._progress_due:
            return
        self._progress_due = now + PROGRESS_EVERY
        await self._store_progress(tuple(self._progress))

    async def _store_progress(self, claims: Iterable[tuple[int, int]]) -> None:
        """What a job reported is stored before it ends: its next attempt can go on from it."""
        if not self._progress:
            return
        for id, lease in claims:
            text = self._progress.get((id, lease))
            if text is not None:
                fence = {"id": id, "lease": lease}
                await self._link.fetch(_PROGRESS.text, {**fence, "progress": text})
                if self._progress[id, lease] is text:
                    del self._progress[id, lease]


def _pairs(pairs: Sequence[tuple[int, int]]) -> dict[str, str]:
    """Ids and their leases as array literals; the ids must rise."""
    return {
        "ids": "{" + ",".join([str(id) for id, _ in pairs]) + "}",
        "leases": "{" + ",".join([str(lease) for _, lease in pairs]) + "}",
    }


def _failure(failure: Failure) -> dict[str, str | None]:
    return {
        "error_type": failure.error_type,
        "message": failure.message,
        "traceback": failure.traceback,
        "fingerprint": failure.fingerprint,
    }
