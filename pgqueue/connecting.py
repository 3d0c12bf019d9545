"""An application's own connections, for whatever is done outside of any transaction of its user."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import psycopg

from .database.dsn import checked_dsn
from .database.pools import Pools
from .errors import UsageError


class Connecting:
    """The part of an application that connects."""

    def __init__(self, dsn: str | None = None) -> None:
        self._pools = Pools(checked_dsn(dsn))

    @property
    def dsn(self) -> str:
        return self._pools.dsn

    def configure(self, *, dsn: str) -> None:
        """Point the application at another database, before it connects for the first time."""
        if self._pools.opened:
            raise UsageError("the application is connected already: close() it before configure().")
        self._pools = Pools(checked_dsn(dsn))

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A pooled connection; the transaction on it is committed at the end of the block."""
        return self._pools.connection()

    def connection_async(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]:
        """The same on the running event loop; each loop has a pool of its own."""
        return self._pools.connection_async()

    def close(self) -> None:
        """Close the pooled connections. They open again when they are needed."""
        self._pools.close()

    async def close_async(self) -> None:
        """Close the pooled connections of the running event loop."""
        await self._pools.close_async()
