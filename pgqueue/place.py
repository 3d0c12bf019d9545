"""Places under limits that this process holds outside of jobs, and the thread that keeps them.

A body that blocks the event loop must not cost it its place; so a thread with a connection of its
own renews the leases of all of them. A process that dies leaves nothing behind but leases that end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

from .database.connection import run
from .database.link import connection_string
from .database.statement import Statement

_STAY = Statement("stay")
SOONEST = 0.2
"""Seconds between tries to renew while the database cannot be reached."""


class Place:
    """A place under a limit, held from the beginning of the block to its end."""

    __slots__ = ("_due", "_kept_until", "_lease", "_lost", "name", "token")

    def __init__(self, name: str, token: int, lease: float, asked: float) -> None:
        self.name = name
        """What is counted: `stripe`, or `tenant:42`."""
        self.token = token
        self._lease = lease
        self._lost = False
        self._keep(asked)

    def __repr__(self) -> str:
        return f"Place({self.name})"

    @property
    def lost(self) -> bool:
        """Whether somebody else may have the place by now: the database could not be reached for
        longer than the lease, or somebody took it away. Whoever must never be one too many looks
        here before what counts.
        """
        return self._lost or time.monotonic() > self._kept_until

    def _keep(self, asked: float) -> None:
        """It was there when this was asked for, at this time of the monotonic clock."""
        self._kept_until = asked + self._lease
        self._due = asked + self._lease / 3

    def _lose(self) -> None:
        """The database says that it is gone."""
        self._lost = True


class Keeper:
    """Renews the leases of an application's places, each after a third of it has passed. Its thread
    and its connection live while there are any.
    """

    def __init__(self, dsn: Callable[[], str]) -> None:
        self._dsn = dsn
        self._changed = threading.Condition()
        self._held: dict[int, Place] = {}
        self._thread: threading.Thread | None = None

    def keep(self, place: Place) -> None:
        """From now on until it is let go."""
        with self._changed:
            self._held[place.token] = place
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="pgqueue-keeper", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def let_go(self, place: Place) -> None:
        with self._changed:
            self._held.pop(place.token, None)
            self._changed.notify()

    # What follows runs in the thread

    def _run(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        try:
            while due := self._next():
                try:
                    if connection is None:
                        connection = self._connect()
                    self._stay(connection, due)
                except Exception:  # noqa: BLE001 - until the lease is over, try again
                    if connection is not None:
                        connection.close()
                    connection = None
                    self._put_off(due)
        finally:
            if connection is not None:
                connection.close()

    def _next(self) -> list[Place]:
        """The places to renew, once there are any. Empty: none is held, and the thread ends."""
        with self._changed:
            while self._held:
                now = time.monotonic()
                due = [place for place in self._held.values() if place._due <= now]
                if due:
                    return due
                self._changed.wait(min(place._due for place in self._held.values()) - now)
            self._thread = None
            return []

    def _connect(self) -> psycopg.Connection[Any]:
        conninfo = connection_string(self._dsn(), "pgqueue keeper")
        return psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)

    def _stay(self, connection: psycopg.Connection[Any], due: Iterable[Place]) -> None:
        places = {place.token: place for place in due}
        asked = time.monotonic()
        leases = [place._lease for place in places.values()]
        rows = run(connection, _STAY, {"tokens": list(places), "leases": leases})
        with self._changed:
            for token, kept in rows:
                if token not in self._held:  # it was given back meanwhile
                    continue
                if kept:
                    places[token]._keep(asked)
                else:
                    places[token]._lose()
                    del self._held[token]

    def _put_off(self, due: Iterable[Place]) -> None:
        with self._changed:
            for place in due:
                place._due = time.monotonic() + min(SOONEST, place._lease / 10)
