"""Keeps for a moment what was expensive to find, for all visitors together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, NamedTuple, TypeVar

from .live import Live

T = TypeVar("T")
TIMES = 10
"""An answer is kept for so many times as long as it took, so what is cheap is always fresh."""
TIMES_CHANGED = 2
"""The same for one that is known to be older than the last change."""
LONGEST = 10.0
MOST = 200


class Kept(NamedTuple):
    """An answer, and when finding it began and ended."""

    began: float
    ended: float
    answer: Any

    def until(self, changed_at: float) -> float:
        """When it is too old."""
        times = TIMES_CHANGED if changed_at > self.began else TIMES
        return self.ended + min((self.ended - self.began) * times, LONGEST)


class Cache:
    """Answers by their questions. Who asks while somebody else finds out waits for that answer.

    A page that got an answer from before a change is told to ask again when that is too old: there
    may be no other change to tell it.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._kept: dict[Hashable, Kept] = {}
        self._finding: dict[Hashable, asyncio.Lock] = {}
        self._telling: asyncio.TimerHandle | None = None

    async def get(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """The answer that is kept, or a new one."""
        lock = self._finding.setdefault(question, asyncio.Lock())
        try:
            async with lock:
                kept = self._kept.get(question)
                began = time.monotonic()
                if kept is None or began >= kept.until(self._live.changed_at):
                    return await self._find(question, find, began)
                if isinstance(kept.answer, Exception):
                    raise kept.answer.with_traceback(None)
                if self._live.changed_at > kept.began:
                    self._tell_in(kept.until(self._live.changed_at) - began)
                found: T = kept.answer
                return found
        finally:
            if not lock.locked():
                self._finding.pop(question, None)

    async def _find(self, question: Hashable, find: Callable[[], Awaitable[T]], began: float) -> T:
        """Find out, and keep what was found; also that it failed, or all who wait would try."""
        try:
            answer = await find()
        except Exception as error:
            self._keep(question, Kept(began, time.monotonic(), error))
            raise
        self._keep(question, Kept(began, time.monotonic(), answer))
        return answer

    def clear(self) -> None:
        """Forget everything, as after an action."""
        self._kept.clear()

    def close(self) -> None:
        """Tell nobody any more."""
        if self._telling is not None:
            self._telling.cancel()

    def _tell_in(self, seconds: float) -> None:
        if self._telling is None or self._telling.when() < asyncio.get_running_loop().time():
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(seconds, self._live.tell)

    def _keep(self, question: Hashable, kept: Kept) -> None:
        if len(self._kept) >= MOST:
            now, changed = time.monotonic(), self._live.changed_at
            self._kept = {key: old for key, old in self._kept.items() if old.until(changed) > now}
            if len(self._kept) >= MOST:
                self._kept.clear()
        self._kept[question] = kept
