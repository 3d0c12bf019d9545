"""Calls plain functions in threads. A thread cannot be stopped, so one that outlives its job is
counted.

An executor would do the same, with a future, a lock and a wake-up of the event loop for each call.
Here the loop is woken once for all calls that ended meanwhile, which halves the cost of short ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class Call:
    """A function to be called, and how that ended: errors as values, since some, such as
    StopIteration, cannot travel through a future.
    """

    __slots__ = ("begun", "context", "done", "ended", "error", "function", "is_stuck", "value")

    def __init__(
        self, function: Callable[[], Any], context: contextvars.Context, done: asyncio.Future[None]
    ) -> None:
        self.function = function
        self.context = context
        self.done = done
        self.value: Any = None
        self.error: BaseException | None = None
        self.begun = self.ended = self.is_stuck = False

    def make(self) -> None:
        try:
            self.value = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001 - handed to the error boundary of the job
            self.error = error


class Threads:
    """As many threads as there are slots, made when they are needed."""

    def __init__(self, most: int, *, unstuck: Callable[[], None]) -> None:
        self._most = most
        self._unstuck = unstuck
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._open: dict[int, Call] = {}
        self._ended: deque[Call] = deque()
        self._threads = 0
        self._busy = 0
        self._told = False
        self.stuck = 0

    async def call(
        self, function: Callable[[], Any], interrupt: Callable[[], None] | None = None
    ) -> Any:
        """Call in a thread, in the context of the caller. When cancelled, call `interrupt`, and
        count the thread as stuck until it comes to its end.
        """
        done = asyncio.get_running_loop().create_future()
        call = Call(function, contextvars.copy_context(), done)
        if self._busy >= self._threads and self._threads < self._most:
            threading.Thread(target=self._serve, name="pgqueue-job", daemon=True).start()
            self._threads += 1
        self._busy += 1
        self._open[id(call)] = call
        self._calls.put(call)
        try:
            await call.done
        except asyncio.CancelledError:
            if self._open.pop(id(call), None) is not None:
                self._busy -= 1
            elif call.begun and not call.ended:
                if interrupt is not None:
                    interrupt()
                call.is_stuck = True
                self.stuck += 1
            raise
        if call.error is not None:
            raise call.error
        return call.value

    def close(self) -> None:
        """Start no more. Threads that run go on: nobody can stop them."""
        self._open.clear()
        for _ in range(self._threads):
            self._calls.put(None)

    def _serve(self) -> None:
        """One thread."""
        while self._serve_one():
            pass

    def _serve_one(self) -> bool:
        """The next call; False: there will be none. A call belongs to who takes it off the list, a
        thread or its canceller.
        """
        call = self._calls.get()
        if call is None:
            return False
        call.begun = True
        if self._open.pop(id(call), None) is not None:
            call.make()
            call.ended = True
            self._ended.append(call)
            if not self._told:
                self._told = True
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                    call.done.get_loop().call_soon_threadsafe(self._settle)
        return True

    def _settle(self) -> None:
        """On the loop: tell everybody whose call has ended since the last time."""
        self._told = False
        while self._ended:
            call = self._ended.popleft()
            self._busy -= 1
            if call.is_stuck:
                self.stuck -= 1
                self._unstuck()
            elif not call.done.done():
                call.done.set_result(None)
