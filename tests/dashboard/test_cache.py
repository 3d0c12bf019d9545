"""What is expensive is found once for all, and never kept past a change that somebody sees."""

import asyncio
import contextlib

import pytest

from pgqueue.dashboard.cache import Cache
from pgqueue.dashboard.live import Live


class Question:
    """Something that takes a while to find, and counts how often it was."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.times = 0

    async def find(self) -> int:
        self.times += 1
        found = self.times
        await asyncio.sleep(self.seconds)
        return found


@pytest.fixture
def live() -> Live:
    return Live("postgresql://nowhere/none")


async def test_those_who_ask_together_get_one_answer(live: Live) -> None:
    cache, question = Cache(live), Question(0.05)
    answers = await asyncio.gather(*(cache.get("q", question.find) for _ in range(20)))
    assert answers == [1] * 20


async def test_an_answer_is_kept_the_longer_the_more_it_took(live: Live) -> None:
    cache, question = Cache(live), Question(0.2)
    assert await cache.get("q", question.find) == 1
    assert await cache.get("q", question.find) == 1
    async with asyncio.timeout(30):
        while await cache.get("q", question.find) == 1:
            await asyncio.sleep(0.1)
    assert question.times == 2


async def test_after_a_change_a_page_is_told_to_ask_again(live: Live) -> None:
    cache, question = Cache(live), Question(0.3)
    assert await cache.get("q", question.find) == 1
    live.tell()
    told = live.changed_at
    assert await cache.get("q", question.find) == 1  # found just now; it may be kept for a moment
    while live.changed_at == told:
        await asyncio.sleep(0.01)
    assert await cache.get("q", question.find) == 2
    told = live.changed_at
    await asyncio.sleep(1)
    assert live.changed_at == told  # nobody is told again of what everybody knows


async def test_what_fails_is_asked_again_but_not_by_all_who_wait(live: Live) -> None:
    cache, question = Cache(live), Question(0.05)

    async def fails() -> int:
        await question.find()
        raise LookupError

    answers = await asyncio.gather(
        *(cache.get("q", fails) for _ in range(20)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [LookupError] * 20
    assert question.times == 1
    async with asyncio.timeout(30):
        while question.times == 1:
            with contextlib.suppress(LookupError):
                assert await cache.get("q", question.find) == 2
            await asyncio.sleep(0.02)


async def test_it_does_not_grow_without_an_end(live: Live) -> None:
    cache, question = Cache(live), Question(0.001)
    for number in range(500):
        await cache.get(number, question.find)
    assert len(cache._kept) <= 200
