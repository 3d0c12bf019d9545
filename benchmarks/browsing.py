"""A dashboard and who looks at it: each page asked for, and one kept open while others work."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import httpx

from ..dashboard.access import Anybody
from ..dashboard.dashboard import Dashboard
from .process import DSN, await_go, orders, say

OURS = {"sec-fetch-site": "same-origin"}


def main() -> None:
    """Order: the `pages` to ask for, so many `times` each; or, with `open`, one to keep open."""
    for order in orders():
        say(asyncio.run(_browse(order)))


async def _browse(order: dict[str, Any]) -> dict[str, Any]:
    dashboard = Dashboard(
        os.environ[DSN],
        Anybody(),
        hosts=None,
        read_only=False,
        hide_args=False,
        links={},
        back_url=None,
        live="events",
    )
    transport = httpx.ASGITransport(dashboard)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://dashboard", headers=OURS, timeout=60
    ) as http:
        await asyncio.to_thread(await_go)
        try:
            if "open" in order:
                return await _keep_open(dashboard, http, order["open"], order["seconds"])
            return {page: await _ask(http, page, order["times"]) for page in order["pages"]}
        finally:
            await dashboard.close()


async def _ask(http: httpx.AsyncClient, page: str, times: int) -> list[float]:
    """How long each answer took, in seconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        (await http.get(page)).raise_for_status()
        took.append(time.perf_counter() - began)
    return took


async def _keep_open(
    dashboard: Dashboard, http: httpx.AsyncClient, page: str, seconds: float
) -> dict[str, Any]:
    """What an open page does: it is told of changes, and asks again."""
    asked = 0
    changes = dashboard.services.live.changes()
    try:
        async with asyncio.timeout(seconds):
            async for _ in changes:
                (await http.get(page)).raise_for_status()
                asked += 1
    except TimeoutError:
        pass
    await changes.aclose()
    return {"asked": asked}


if __name__ == "__main__":
    main()
