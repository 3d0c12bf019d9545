"""What every request passes and every response carries, whatever page it is."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = ("GET", "HEAD")
MOST_BODY = 1024 * 1024
"""Bytes of a request: forms are small."""

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-frame-options": "DENY",
}


class Guard:
    """Refuses what no page of ours sends, and puts the headers on whatever is answered.

    Requests that change something must come from our own pages: browsers say so in
    Sec-Fetch-Site; those that do not know it send an Origin, which has to name our host. A host
    that we do not know is refused, because a name that an attacker controls may lead to a loopback
    address. With `hosts` None the application around us answers for that.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def carry(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, carry)
        else:
            status, text = refusal
            await PlainTextResponse(text, status)(scope, receive, carry)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            return 400, "This host name is not known here. See: pgqueue dashboard --allow-host\n"
        if method in SAFE:
            return None
        if method != "POST":
            return 405, "Only GET, HEAD and POST are understood.\n"
        length = headers.get("content-length", "")
        if not length.isdecimal() or "transfer-encoding" in headers:
            return 411, "How long is the request? Content-Length is missing.\n"
        if int(length) > MOST_BODY:
            return 413, f"A request has at most {MOST_BODY} bytes.\n"
        if not _is_ours(headers, host):
            return 403, "Requests that change something must come from a page of the dashboard.\n"
        return None


def _is_ours(headers: Headers, host: str) -> bool:
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None:  # no page can forge it, and a proxy may have changed the host
        return site == "same-origin"
    return origin is not None and urlsplit(origin).netloc.lower() == host.lower() != ""


def _name(host: str) -> str:
    """A Host header without its port; an IPv6 address keeps its brackets."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() and not name.endswith(":") else host.lower()
