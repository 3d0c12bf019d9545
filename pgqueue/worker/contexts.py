"""Awaits a coroutine in a context of its own, within the task that awaits it."""

from __future__ import annotations

import contextvars
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def in_context(
    context: contextvars.Context, coroutine: Coroutine[Any, Any, T]
) -> Generator[Any, Any, T]:
    """The coroutine's result. Whatever it sets in context variables stays in `context`.

    A task for each coroutine would do the same, but making one and giving it turns on the event
    loop takes longer than many a coroutine itself.
    """
    step: Callable[[Any], Any] = coroutine.send
    sent: Any = None
    while True:
        try:
            awaited = context.run(step, sent)
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            step, sent = coroutine.send, (yield awaited)
        except GeneratorExit:
            context.run(coroutine.close)
            raise
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
            step, sent = coroutine.throw, error
