"""Writes the ends of attempts to the database, each write fenced by its lease.

Rows that somebody else has locked are not waited for: they are handed back, to be written later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from ..database.link import Link
from ..database.statement import Statement
from ..events import LeaseWasLost, Observer, Trouble
from ..outcome import Cancelled, Dead, Failure, Outcome, Retrying, Snoozed, Succeeded, describe

_COMPLETE, _FAIL, _SNOOZE = Statement("complete"), Statement("fail"), Statement("snooze")
_CANCEL, _RELEASE = Statement("cancel_running"), Statement("release")
_FINISHED, _HELD, _PROGRESS = (
    Statement("finished_by"),
    Statement("held"),
    Statement("report_progress"),
)

_BLAMED_ON_THE_JOB = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)
_REFUSED = psycopg.errors.RaiseException
"""By a trigger of the user's, which may think otherwise later."""

Pair = tuple[int, int]
"""A job's id and the lease of a claim on it."""


class Ended(NamedTuple):
    """An attempt with its outcome. `committed` says that its handler completed it by itself."""

    id: int
    lease: int
    queue: str
    outcome: Outcome
    committed: bool

    @property
    def pair(self) -> Pair:
        return self.id, self.lease


class Writer:
    """The writes of one worker process. Every method may be called again after an error."""

    def __init__(self, link: Link, worker: str, *, emit: Observer) -> None:
        self._link = link
        self._worker = worker
        self._emit = emit
        self.again = False
        """Whether an earlier try may have been written although its answer was lost."""

    async def write(self, batch: list[Ended]) -> list[Ended]:
        """Write these ends. Returns those whose rows are locked by others."""
        succeeded: dict[str, list[Ended]] = defaultdict(list)
        committed: list[Ended] = []
        others: list[Ended] = []
        for ended in batch:
            if ended.committed:
                committed.append(ended)
            elif isinstance(ended.outcome, Succeeded):
                succeeded[ended.queue].append(ended)
            else:
                others.append(ended)
        locked: list[Ended] = []
        for queue, group in succeeded.items():
            group.sort()
            locked += await self._complete(queue, group)
        if committed:
            # Handlers said that they completed these jobs themselves. Who is still leased, lied.
            others_still, still_locked = await self._look(committed, leased=True)
            others += others_still
            locked += still_locked
        for ended in others:
            locked += await self._conclude(ended, ended.outcome)
        return locked

    async def release(self, pairs: list[Pair]) -> list[Pair]:
        """Give these claims back; the ids must rise. Returns those whose rows are locked."""
        try:
            await self._link.fetch(_RELEASE.text, _arrays(pairs))
        except psycopg.errors.LockNotAvailable:
            free = dict(await self._link.fetch(_HELD.text, _arrays(pairs)))
            locked = [pair for pair in pairs if free.get(pair[0]) is False]
            if not locked:
                raise
            await self.release([pair for pair in pairs if pair not in locked])
            return locked
        return []

    async def store_progress(self, pair: Pair, progress: str) -> None:
        id, lease = pair
        parameters = {"id": id, "lease": lease, "progress": progress}
        await self._link.fetch(_PROGRESS.text, parameters)

    async def _complete(self, queue: str, group: list[Ended]) -> list[Ended]:
        """One statement for all. When it is refused, halves are tried, so that one job costs itself
        only.
        """
        if not group:
            return []
        arrays = _arrays(group)
        try:
            parameters = {**arrays, "queue": queue, "results": _results(group)}
            rows = await self._link.fetch(_COMPLETE.text, parameters)
        except psycopg.errors.LockNotAvailable:
            free, locked = await self._look(group)
            if not locked:
                raise
            return locked + await self._complete(queue, free)
        except (*_BLAMED_ON_THE_JOB, _REFUSED) as error:
            if len(group) == 1:
                if isinstance(error, _REFUSED):
                    return self._refused(group[0], error)
                return await self._conclude(group[0], Dead(describe(error)))
            middle = len(group) // 2
            locked = await self._complete(queue, group[:middle])
            return locked + await self._complete(queue, group[middle:])
        if rows[0][0] != len(group):
            await self._tell_lost(group, arrays)
        return []

    async def _conclude(self, ended: Ended, outcome: Outcome) -> list[Ended]:
        """Write one outcome that is not a plain success. Returns it if its row is locked, or if the
        server refuses it: others need not wait for that to change.
        """
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
                return []
        fence = {"id": ended.id, "lease": ended.lease}
        try:
            rows = await self._link.fetch(statement.text, {**parameters, **fence})
        except psycopg.errors.LockNotAvailable:
            return [ended._replace(outcome=outcome)]
        except (*_BLAMED_ON_THE_JOB, _REFUSED) as error:
            return self._refused(ended._replace(outcome=outcome), error)
        if rows[0][0] is None and not self.again:
            self._emit(LeaseWasLost(self._worker, ended.id))
        return []

    def _refused(self, ended: Ended, error: psycopg.Error) -> list[Ended]:
        self._emit(Trouble(self._worker, "finish", describe(error).message))
        return [ended]

    async def _tell_lost(self, group: list[Ended], arrays: dict[str, str]) -> None:
        """Some did not match: finished by an earlier write whose answer was lost, or leased to
        others.
        """
        finished = {id for (id,) in await self._link.fetch(_FINISHED.text, arrays)}
        if self.again and not finished:
            return
        for ended in group:
            if ended.id not in finished:
                self._emit(LeaseWasLost(self._worker, ended.id))

    async def _look(
        self, group: list[Ended], *, leased: bool = False
    ) -> tuple[list[Ended], list[Ended]]:
        """Parts those whose rows somebody has locked from the others, or from the leased others."""
        arrays = _arrays(sorted(group))
        free = dict(await self._link.fetch(_HELD.text, arrays))
        others = [ended for ended in group if free.get(ended.id, not leased)]
        return others, [ended for ended in group if free.get(ended.id) is False]


def _arrays(pairs: Sequence[Pair] | Sequence[Ended]) -> dict[str, str]:
    """Ids and their leases as array literals; the ids must rise."""
    return {
        "ids": "{" + ",".join([str(pair[0]) for pair in pairs]) + "}",
        "leases": "{" + ",".join([str(pair[1]) for pair in pairs]) + "}",
    }


def _results(group: list[Ended]) -> str | None:
    """A JSON object of the results by job id, or None when no job has one."""
    results = [
        f'"{ended.id}":{ended.outcome.result}'
        for ended in group
        if isinstance(ended.outcome, Succeeded) and ended.outcome.result is not None
    ]
    return "{" + ",".join(results) + "}" if results else None


def _failure(failure: Failure) -> dict[str, str | None]:
    return {
        "error_type": failure.error_type,
        "message": failure.message,
        "traceback": failure.traceback,
        "fingerprint": failure.fingerprint,
        "place": failure.place,
    }
