"""What the pages of one dashboard share, and how it was set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from .cache import Cache
from .database import Database
from .health import Doctor
from .live import Live
from .operations import Operations
from .rendering import environment

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Services:
    """The database, and what is known of it without asking again."""

    def __init__(
        self,
        dsn: str,
        *,
        read_only: bool,
        hide_args: bool,
        links: Mapping[str, str],
        back_url: str | None,
        live: Literal["events", "poll"],
    ) -> None:
        self.database = Database(dsn)
        self.live = Live(dsn)
        self.operations = Operations(self.database, self.changed)
        self.doctor = Doctor(dsn, self.live.tell)
        self.cache = Cache(self.live)
        self.registry: CollectorRegistry | None = None
        self.templates = environment()
        self._read_only = read_only
        self.hide_args = hide_args
        self.links = links
        self.back_url = back_url
        self.follows = live

    @property
    def read_only(self) -> bool:
        """Whether nobody changes anything: somebody said so, or the database does not let us."""
        return self._read_only or not self.database.can_write

    def changed(self) -> None:
        """Something was done: forget what was found before, and let every open page ask again."""
        self.cache.clear()
        self.doctor.forget()
        self.live.tell()

    async def close(self) -> None:
        """Close the connections. They open again when they are needed."""
        await self.operations.close()
        self.cache.close()
        await self.live.close()
        await self.doctor.close()
        await self.database.close()
