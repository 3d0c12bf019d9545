"""The connections of a worker: one for each of its parts, so that none waits for another."""

from __future__ import annotations

from ..database.link import Link
from ..events import ConnectionLost, ConnectionRestored, Observer
from ..outcome import describe


class Links:
    """The connections of a worker, each under its role, each telling when it is lost."""

    def __init__(self, dsn: str, worker: str, emit: Observer) -> None:
        self._dsn = dsn
        self._worker = worker
        self._emit = emit
        self._open: list[Link] = []

    def make(self, role: str) -> Link:
        link = Link(
            self._dsn,
            f"pgqueue {role} {self._worker}",
            report=lambda _, error: self.tell(role, error),
        )
        self._open.append(link)
        return link

    def tell(self, role: str, error: BaseException | None) -> None:
        if error is None:
            self._emit(ConnectionRestored(self._worker, role))
        else:
            self._emit(ConnectionLost(self._worker, role, describe(error).message))

    async def drop(self) -> None:
        for link in self._open:
            await link.drop()
