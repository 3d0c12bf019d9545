"""Empty databases with a peer's schema, each a copy of one that was installed once."""

from __future__ import annotations

import asyncio
from typing import Any, Self
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from .peer import load

PREFIX = "pgqueue_peers_"


class Databases:
    """Those of one server. Drops all that it made when left."""

    def __init__(self, dsn: str) -> None:
        self._parts = conninfo_to_dict(dsn)
        self._admin = psycopg.connect(dsn, autocommit=True)
        self._made: set[str] = set()

    def install(self, name: str) -> None:
        database = f"{PREFIX}{name}_empty"
        self._create(database, template="template0")
        asyncio.run(load(name)(self._url(database), tuned=True).install())

    def fresh(self, name: str) -> str:
        """A new database of this peer in the place of its last one. Its URL."""
        database = f"{PREFIX}{name}"
        self._create(database, template=f"{database}_empty")
        return self._url(database)

    def version(self) -> str:
        row = self._admin.execute("SHOW server_version").fetchone()
        return str(row[0]) if row else "?"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for database in sorted(self._made):
            self._drop(database)
        self._admin.close()

    def _create(self, database: str, *, template: str) -> None:
        self._drop(database)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'")
        self._admin.execute(statement.format(sql.Identifier(database), sql.Identifier(template)))
        self._made.add(database)

    def _drop(self, database: str) -> None:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self._admin.execute(statement.format(sql.Identifier(database)))

    def _url(self, database: str) -> str:
        """The one form that all of the drivers read; a socket's directory stands for the host."""
        parts: dict[str, Any] = {"user": "postgres", "host": "localhost", "port": 5432}
        parts |= {key: value for key, value in self._parts.items() if value is not None}
        user, host = quote(parts.pop("user"), safe=""), quote(parts.pop("host"), safe="")
        password = quote(parts.pop("password", ""), safe="")
        port = parts.pop("port")
        parts.pop("dbname", None)
        who = f"{user}:{password}" if password else user
        rest = f"?{urlencode(parts)}" if parts else ""
        return f"postgresql://{who}@{host}:{port}/{database}{rest}"
