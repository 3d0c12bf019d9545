"""Answers /livez, /readyz and /metrics from a thread of its own, also while a handler blocks the
event loop.
"""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from ..errors import UsageError
from .vitals import Verdict

MOST_BYTES = 8192
"""Of a request, which has no body. More is not read."""
MOST_SECONDS = 5.0
"""In which a request has to arrive, and an answer to leave."""
MOST_REQUESTS = 16
"""At the same time. More are turned away."""
INSTALL = "metrics need the package prometheus-client: pip install 'pgqueue[prometheus]'"

Answer = tuple[int, str, bytes]
Exposition = Callable[[], tuple[bytes, str]]
_log = logging.getLogger("pgqueue")


class HealthServer:
    """Serves for the length of the block. Raises UsageError where it cannot listen."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        live: Callable[[], Verdict],
        ready: Callable[[], Verdict],
        exposition: Exposition | None,
    ) -> None:
        self._pages: dict[str, Callable[[], Answer]] = {
            "/livez": lambda: _judged(live()),
            "/readyz": lambda: _judged(ready()),
            "/metrics": lambda: _exposed(exposition),
        }
        self._server = _listen(host, port, self._answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="pgqueue-health", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> HealthServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str) -> Answer:
        page = self._pages.get(path.partition("?")[0])
        if page is None:
            return _document(404, {"error": f"there is {', '.join(self._pages)}"})
        try:
            return page()
        except Exception:  # noqa: BLE001 - told in the log; a probe wants an answer
            _log.exception("an answer of the health server failed")
            return _document(500, {"error": "it failed; the worker's log says why"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = MOST_REQUESTS

    def __init__(
        self,
        address: tuple[str, int],
        family: socket.AddressFamily,
        answer: Callable[[str], Answer],
    ) -> None:
        self.address_family = family
        self.answer = answer
        self._free = threading.BoundedSemaphore(MOST_REQUESTS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer would ask the name service who we are, and nobody reads the answer.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked has left. What fails on our side is logged where it fails."""


class _Handler(BaseHTTPRequestHandler):
    server_version = "pgqueue"
    sys_version = ""
    timeout = MOST_SECONDS
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BytesIO(_head(self.connection))

    def do_GET(self) -> None:
        self._send(self.server.answer(self.path), with_body=True)

    def do_HEAD(self) -> None:
        self._send(self.server.answer(self.path), with_body=False)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The library's own text would repeat what was asked."""
        self._send(_document(code, {"error": HTTPStatus(code).phrase}), with_body=True)

    def _send(self, answer: Answer, *, with_body: bool) -> None:
        status, kind, body = answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes are no news."""


def _head(connection: socket.socket) -> bytes:
    """The head of a request, or nothing where it is too long or too slow."""
    deadline = time.monotonic() + MOST_SECONDS
    head = b""
    try:
        while b"\r\n\r\n" not in head and b"\n\n" not in head:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            part = connection.recv(MOST_BYTES + 1 - len(head))
            head += part
            if not part or len(head) > MOST_BYTES:
                return b""
    except OSError:
        return b""
    connection.settimeout(MOST_SECONDS)
    return head


def _listen(host: str, port: int, answer: Callable[[str], Answer]) -> _Server:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return _Server((str(address[0]), port), family, answer)
    except OSError as error:
        raise UsageError(
            f"the health server cannot listen on {host} port {port}: {error.strerror or error}. "
            "Give a free port as health_port (--health-port) and an address of this machine as "
            "health_host (--health-host)."
        ) from None


def _judged(verdict: Verdict) -> Answer:
    status = "ok" if verdict.well else "unhealthy"
    document = {"status": status, "reason": verdict.reason, **verdict.facts}
    return _document(200 if verdict.well else 503, document)


def _exposed(exposition: Exposition | None) -> Answer:
    if exposition is None:
        return _document(501, {"error": INSTALL})
    body, kind = exposition()
    return 200, kind, body


def _document(status: int, document: dict[str, Any]) -> Answer:
    return status, "application/json", json.dumps(document).encode() + b"\n"
