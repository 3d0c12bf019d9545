"""A page of the documentation, run from top to bottom against a real server."""

import ast
import asyncio
import inspect
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
import sqlalchemy.ext.asyncio as sa_async
import sqlalchemy.orm as sa_orm
from psycopg.conninfo import conninfo_to_dict
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

from pgqueue import PgQueue
from pgqueue.embedded import EmbeddedServer
from tests.docs.shell import Shell, differences

FILE_NAME = re.compile(r"# ([\w/]+\.py)\b")
VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}


class Page:
    """Blocks of a page share names, a database and a folder, in which its files are written.

    A Python block that begins with a comment such as `# jobs.py` is that file: it is written and
    can be imported or used by the command line; any other is run, and may await at top level.
    """

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn = dsn
        self.folder = folder
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self._runner = asyncio.Runner()
        self._modules = set(sys.modules)
        self._connection: psycopg.Connection[Any] | None = None
        self._shell: Shell | None = None

    def run(self, path: Path) -> int:
        """Run every block. Returns how many there were."""
        blocks = Sybil(
            [
                CodeBlockParser("python", self._python),
                CodeBlockParser("sql", self._sql),
                CodeBlockParser("console", self._console),
            ]
        ).parse(path)
        examples = list(blocks.examples())
        for example in examples:
            example.evaluate()
        return len(examples)

    def environment(self) -> dict[str, str]:
        """What points libpq, and everything that reads DATABASE_URL, at the page's database."""
        parts = conninfo_to_dict(self.dsn)
        found = {name: str(parts[key]) for key, name in VARIABLES.items() if parts.get(key)}
        return {"DATABASE_URL": self.dsn, "PGDATABASE": str(parts["dbname"]), **found}

    def close(self) -> None:
        """Close what the page left open, as a reader's program does by ending."""
        if self._shell is not None:
            self._shell.close()
        for value in self.namespace.values():
            self._close(value)
        for name in set(sys.modules) - self._modules:
            module = sys.modules[name]
            if str(self.folder) in (getattr(module, "__file__", None) or ""):
                for value in vars(module).values():
                    self._close(value)
                del sys.modules[name]
        if self._connection is not None:
            self._connection.close()
        for data in self.folder.glob("data/pgqueue/dev/*"):
            EmbeddedServer(data, detached=True).delete()
        self._runner.close()

    def _close(self, value: Any) -> None:
        kinds: dict[Any, Callable[[], Any]] = {
            psycopg.Connection: lambda: value.close(),
            psycopg.AsyncConnection: lambda: value.close(),
            sa_orm.Session: lambda: value.close(),
            sa.Engine: lambda: value.dispose(),
            sa_async.AsyncEngine: lambda: value.dispose(),
        }
        if isinstance(value, PgQueue):
            value.close()
            self._runner.run(value.close_async())
        for kind, close in kinds.items():
            if isinstance(value, kind):
                answer = close()
                if inspect.isawaitable(answer):
                    self._runner.run(_awaited(answer))

    def _python(self, example: Example) -> None:
        source = str(example.parsed)
        if named := FILE_NAME.match(source):
            path = self.folder / named[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(source, encoding="utf-8")
            return
        lines = "\n" * (example.line + example.parsed.line_offset)
        code = compile(
            lines + source, example.path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        # The blocks are the repository's own.
        if code.co_flags & inspect.CO_COROUTINE:
            self._runner.run(eval(code, self.namespace))
        else:
            exec(code, self.namespace)

    def _sql(self, example: Example) -> None:
        if self._connection is None:
            self._connection = psycopg.connect(self.dsn, autocommit=True)
        cursor = self._connection.execute(str(example.parsed).encode())
        self.namespace["rows"] = cursor.fetchall() if cursor.description else []

    def _console(self, example: Example) -> str | None:
        if self._shell is None:
            own = Path(sys.executable).parent
            home = {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder / "data")}
            path = {"PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb"}
            self._shell = Shell(self.folder, {**os.environ, **self.environment(), **home, **path})
        return differences(self._shell, str(example.parsed))


async def _awaited(answer: Any) -> Any:
    return await answer
