"""Calls plain functions in threads. A thread cannot be stopped, so one that outlives its job is
counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Threads:
    """As many threads as there are slots, made when they are needed."""

    def __init__(self, most: int, *, unstuck: Callable[[], None]) -> None:
        self._pool = ThreadPoolExecutor(max_workers=most, thread_name_prefix="pgqueue-job")
        self._unstuck = unstuck
        self.stuck = 0

    async def call(
        self, function: Callable[[], Any], interrupt: Callable[[], None] | None = None
    ) -> Any:
        """Call in a thread, in the context of the caller. When cancelled, call `interrupt`, and
        count the thread as stuck until it comes to its end.
        """
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        work: Future[tuple[Any, BaseException | None]] = self._pool.submit(
            context.run, _guarded, function
        )
        work.add_done_callback(lambda _: _call_soon(loop, functools.partial(_settle, done)))
        try:
            await done
        except asyncio.CancelledError:
            if not work.cancel() and not work.done():
                if interrupt is not None:
                    interrupt()
                self.stuck += 1
                work.add_done_callback(lambda _: _call_soon(loop, self._unstick))
            raise
        value, error = work.result()
        if error is not None:
            raise error
        return value

    def close(self) -> None:
        """Start no more. Threads that run go on: nobody can stop them."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _unstick(self) -> None:
        self.stuck -= 1
        self._unstuck()


def _guarded(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """Errors as values: some, such as StopIteration, cannot travel through a future."""
    try:
        return function(), None
    except BaseException as error:  # noqa: BLE001 - handed to the error boundary of the job
        return None, error


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for this thread
        loop.call_soon_threadsafe(function)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
