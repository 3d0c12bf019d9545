"""A dashboard alone, by an HTTP server of its own, for `pgqueue dashboard`."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import Receive, Scope, Send

from .dashboard import Dashboard

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def known_hosts(host: str, more: tuple[str, ...]) -> list[str]:
    """The names that a dashboard on this address answers to."""
    own = [] if host in ("0.0.0.0", "::") else [f"[{host}]" if ":" in host else host]  # noqa: S104
    return [*LOOPBACK, *own, *more]


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError, as when somebody else has the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), port))
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return listening


def server(
    dashboard: Dashboard, *, root_path: str = "", ready: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """A server that is to run, and says when it answers. Open streams do not keep it."""
    config = uvicorn.Config(
        _Below(dashboard, root_path),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=15,
        limit_concurrency=500,
        h11_max_incomplete_event_size=64 * 1024,
        lifespan="on",
    )
    return _Server(config, ready)


class _Below:
    """The dashboard below a path, whether the proxy in front takes the path away or leaves it."""

    def __init__(self, dashboard: Dashboard, root_path: str) -> None:
        self._dashboard = dashboard
        self._root_path = root_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = self._root_path
        if root and scope["type"] == "http":
            path = scope["path"] if scope["path"] != root else root + "/"
            whole = path if path.startswith(root + "/") else root + path
            scope = {**scope, "root_path": root, "path": whole}
        await self._dashboard(scope, receive, send)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()
