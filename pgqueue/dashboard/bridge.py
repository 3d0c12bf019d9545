"""The dashboard as a WSGI application, before and after a server forks its processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from a2wsgi import ASGIMiddleware


class Bridge:
    """A WSGI application around an ASGI application, whose event loop runs in a thread.

    No thread outlives a fork, so each process starts its own with the first request it answers.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self._locks: dict[int, threading.Lock] = {}
        self._found: tuple[int, ASGIMiddleware] | None = None

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        given: Any = {**environ, "PATH_INFO": environ.get("PATH_INFO") or "/"}
        return self.middleware()(given, start_response)

    def middleware(self) -> ASGIMiddleware:
        """The one of this process."""
        process = os.getpid()
        # A lock of this process: one from before the fork may be held by a thread that is gone.
        with self._locks.setdefault(process, threading.Lock()):
            if self._found is None or self._found[0] != process:
                self._found = process, ASGIMiddleware(self.app)
            return self._found[1]
