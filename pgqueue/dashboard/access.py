"""Who visits, and what they may do."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import HTTPConnection

Role = Literal["viewer", "operator", "admin"]
"""A viewer looks; an operator also acts on jobs, queues and schedules; an admin also deletes."""

ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")


TRIES, WITHIN = 5, 60.0
"""So many wrong passwords in so many seconds, for one name from one address, and it has to wait."""
MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sent a request. `name` stands in the audit."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether what takes this role is allowed."""
        return ROLES.index(self.role) >= ROLES.index(role)


Authorize = Callable[[HTTPConnection], "Visitor | Role | Awaitable[Visitor | Role | None] | None"]
"""Tells who sent a request, or only the role; None: there is nothing here for them."""


class Unauthorized(Exception):
    """Nobody whom we know: a name and a password are asked for."""


class TooManyTries(Exception):
    """Too many wrong passwords for this name from this address."""


@dataclass(frozen=True, slots=True)
class Anybody:
    """Whoever reaches us: right behind the loopback address, and for those who insist."""

    name: str = "somebody"
    role: Role = "admin"

    def visitor(self, connection: HTTPConnection) -> Visitor:
        return Visitor(self.name, self.role)


@dataclass(frozen=True, slots=True)
class Passwords:
    """HTTP Basic authentication: names with their passwords and roles."""

    users: Mapping[str, tuple[str, Role]]
    _wrong: dict[tuple[str, str], deque[float]] = field(default_factory=dict)

    def visitor(self, connection: HTTPConnection) -> Visitor:
        """Raises Unauthorized or TooManyTries. Both comparisons take the same time for all."""
        address = connection.client.host if connection.client else ""
        given = _credentials(connection.headers.get("authorization", ""))
        if given is None:
            raise Unauthorized
        name, password = given
        who = address, name
        if self._is_barred(who):
            raise TooManyTries
        expected, role = self.users.get(name, ("", "viewer"))
        same = hmac.compare_digest(expected.encode(), password.encode())
        if not (same and name in self.users):
            if len(self._wrong) >= MOST_KNOWN:
                self._wrong.clear()
            self._wrong.setdefault(who, deque(maxlen=TRIES)).append(time.monotonic())
            raise Unauthorized
        return Visitor(name, role)

    def _is_barred(self, who: tuple[str, str]) -> bool:
        """By address and name: behind a proxy all have one address, and nobody locks out all."""
        since = time.monotonic() - WITHIN
        for other in [one for one, tries in self._wrong.items() if tries[-1] < since]:
            del self._wrong[other]
        tries = self._wrong.get(who)
        return tries is not None and len(tries) == TRIES and tries[0] >= since


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A proxy in front tells who it is. Only requests from its networks are believed."""

    header: str
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    role: Role = "operator"

    def visitor(self, connection: HTTPConnection) -> Visitor:
        name = connection.headers.get(self.header, "")
        try:
            address = ipaddress.ip_address(connection.client.host if connection.client else "")
        except ValueError:
            raise Unauthorized from None
        if not name or not any(address in network for network in self.networks):
            raise Unauthorized
        return Visitor(name, self.role)


Access = Anybody | Passwords | ProxyHeader


def _credentials(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if colon else None
