"""A dashboard served for a test, as `pgqueue dashboard` serves it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from pgqueue.dashboard.access import Anybody
from pgqueue.dashboard.dashboard import Dashboard
from pgqueue.dashboard.serving import LOOPBACK, listen, server

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
"""What a browser says of a form on a page of the same host."""


@contextmanager
def served(dsn: str, access: Any = None, *, root_path: str = "", **options: Any) -> Iterator[str]:
    """The URL, without a slash at its end, of a dashboard that runs for the length of the block."""
    given = {
        "hosts": LOOPBACK,
        "read_only": False,
        "hide_args": False,
        "links": {},
        "back_url": None,
        "live": "events",
    }
    dashboard = Dashboard(dsn, access or Anybody("tester"), **(given | options))
    listening = listen("127.0.0.1", 0)
    ready = threading.Event()
    running = server(dashboard, root_path=root_path, ready=ready.set)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        assert ready.wait(20), "the dashboard never answered"
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{root_path}"
    finally:
        running.should_exit = True
        thread.join(20)
        listening.close()
        assert not thread.is_alive(), "the dashboard never stopped"


@contextmanager
def client(url: str, **options: Any) -> Iterator[httpx.Client]:
    """An HTTP client that says what a browser says of requests from our own pages."""
    with httpx.Client(base_url=url, headers=SAME_ORIGIN, timeout=30, **options) as found:
        yield found
