"""A coroutine in a context of its own behaves as it would in a task of its own."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pgqueue.worker.contexts import in_context

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


def apart(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return in_context(contextvars.copy_context(), coroutine)


async def test_its_value_comes_back() -> None:
    async def quick() -> int:
        return 7

    async def slow() -> int:
        await asyncio.sleep(0)
        return await asyncio.to_thread(lambda: 8)

    assert await apart(quick()) == 7
    assert await apart(slow()) == 8


@pytest.mark.parametrize("waits", [False, True])
async def test_its_error_comes_out(waits: bool) -> None:
    async def fails() -> None:
        if waits:
            await asyncio.sleep(0)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await apart(fails())


async def test_errors_of_what_it_waits_for_reach_it_first() -> None:
    waited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(waited.set_exception, ValueError("theirs"))

    async def survives() -> str:
        try:
            await waited
        except ValueError as error:
            await asyncio.sleep(0)
            return str(error)
        return "nothing"

    assert await apart(survives()) == "theirs"


async def test_what_it_sets_stays_in_its_context_at_every_step() -> None:
    seen: list[str] = []

    async def changes(to: str) -> None:
        seen.append(name.get())
        name.set(to)
        await asyncio.sleep(0)
        seen.append(name.get())
        await asyncio.to_thread(lambda: seen.append(name.get()))

    name.set("outside")
    context = contextvars.copy_context()
    await in_context(context, changes("inside"))
    assert name.get() == "outside"
    assert context[name] == "inside"
    await apart(changes("again"))
    assert seen == ["outside", "inside", "inside", "outside", "again", "again"]


async def test_tasks_and_callbacks_that_it_starts_are_in_its_context() -> None:
    seen: list[str] = []

    async def look() -> None:
        seen.append(name.get())

    async def starts() -> None:
        name.set("parent")
        asyncio.get_running_loop().call_soon(lambda: seen.append(name.get()))
        async with asyncio.TaskGroup() as group:
            group.create_task(look())

    await apart(starts())
    assert seen == ["parent", "parent"]


async def test_a_context_manager_is_left_in_the_context_it_was_entered_in() -> None:
    """A token can be given back in its own context only."""

    @asynccontextmanager
    async def named() -> AsyncIterator[None]:
        token = name.set("within")
        try:
            yield
        finally:
            name.reset(token)

    async def uses() -> str:
        async with named():
            await asyncio.sleep(0)
            found = name.get()
        return found + " " + name.get()

    assert await apart(uses()) == "within nobody"


async def test_it_is_cancelled_where_it_waits() -> None:
    begun = asyncio.Event()
    cleaned: list[str] = []

    async def waits() -> None:
        try:
            begun.set()
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    async def outer() -> None:
        await apart(waits())

    task = asyncio.create_task(outer())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["up"]


async def test_it_may_swallow_a_cancellation_and_go_on() -> None:
    begun = asyncio.Event()

    async def stubborn() -> str:
        try:
            begun.set()
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "still here"

    async def outer() -> str:
        return str(await apart(stubborn()))

    task = asyncio.create_task(outer())
    await begun.wait()
    task.cancel()
    assert await task == "still here"


async def test_timeouts_and_groups_work_in_it() -> None:
    """They cancel the task that runs them, and take that back."""

    async def times_out() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(3600)
        except TimeoutError:
            return "late"
        return "in time"

    async def breaks() -> str:
        async def fails() -> None:
            raise ValueError

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                await asyncio.sleep(3600)
        except* ValueError:
            pass
        return "broken"

    assert [await apart(times_out()), await apart(breaks()), await apart(times_out())] == [
        "late", "broken", "late",
    ]  # fmt: skip
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


def test_closing_it_closes_the_coroutine_in_its_context() -> None:
    closed: list[str] = []

    class Never:
        def __await__(self) -> Any:
            yield

    async def waits() -> None:
        name.set("inside")
        try:
            await Never()
        except GeneratorExit:
            closed.append(name.get())
            raise

    async def outer() -> None:
        await apart(waits())

    stepped = outer()
    stepped.send(None)
    stepped.close()
    assert closed == ["inside"]
    assert name.get() == "nobody"
