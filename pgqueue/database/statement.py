"""One operation, one statement, one file: SQL text with named parameters, for every kind of
connection.
"""

from __future__ import annotations

import re
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import TextClause

_PARAMETER = re.compile(r"%\((\w+)\)s")
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)


class Statement:
    """The text of `sql/<name>.sql`. Parameters are written `%(name)s`; casts as `CAST(… AS …)`."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def text(self) -> str:
        """For psycopg. Comments are left out: psycopg would look for placeholders in them."""
        source = files(__package__).joinpath("sql", f"{self.name}.sql").read_text(encoding="utf-8")
        return _COMMENT.sub("", source).strip().rstrip(";")

    @cached_property
    def clause(self) -> TextClause:
        """For SQLAlchemy, whatever driver it uses."""
        from sqlalchemy import text

        return text(_PARAMETER.sub(r":\1", self.text))

    def __repr__(self) -> str:
        return f"Statement({self.name!r})"
