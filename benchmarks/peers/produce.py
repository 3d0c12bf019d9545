"""An enqueuing process: python -m benchmarks.peers.produce PEER DSN default|tuned MODE N.

`one` enqueues and commits one by one for N seconds, `many` enqueues N jobs in batches, `spaced` N
jobs with a short pause after each and then some with a long one. Prints a JSON line.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

from .peer import BATCH, Producer, load

WARM_UP = 20
SHORT = (0.02, 0.06)
LONG = (0.4, 0.6)
LONG_PAUSES = 10


async def one(producer: Producer, seconds: float) -> dict[str, object]:
    for _ in range(WARM_UP):
        await producer.one(1)
    count, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        await producer.one(1)
        count += 1
    return {"jobs": count, "seconds": time.monotonic() - began}


async def many(producer: Producer, jobs: float) -> dict[str, object]:
    began = time.monotonic()
    for first in range(0, int(jobs), BATCH):
        size = min(BATCH, int(jobs) - first)
        await producer.many([1] * size)
    return {"jobs": int(jobs), "seconds": time.monotonic() - began}


async def spaced(producer: Producer, jobs: float) -> dict[str, object]:
    """When each commit had returned, by number."""
    pauses = [SHORT] * int(jobs) + [LONG] * LONG_PAUSES
    committed = {}
    for number, pause in enumerate(pauses, start=1):
        await asyncio.sleep(random.uniform(*pause))
        await producer.one(number)
        committed[number] = time.monotonic()
    return {"committed": committed}


async def main() -> None:
    name, dsn, settings, mode, amount = sys.argv[1:]
    async with load(name)(dsn, settings == "tuned").producer() as producer:
        print('{"ready": true}', flush=True)
        sys.stdin.readline()
        act = {"one": one, "many": many, "spaced": spaced}[mode]
        print(json.dumps(await act(producer, float(amount))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
