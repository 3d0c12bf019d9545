"""SQL that puts an object back as this release made it, from the SQL of the migrations."""

from __future__ import annotations

import re
from functools import cache

from .shape import Object

_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$|;|[^;'$-]+|.", re.DOTALL)
_COLUMN = re.compile(r"((?:(?! NOT NULL| DEFAULT ).)+)( NOT NULL)?(?: DEFAULT (.+))?")
_FROM_ITS_TEXT = ("function", "view", "table", "domain")
_FOLLOWS = r"(?:COMMENT ON {kind}|REVOKE \w+ ON {kind}|GRANT \w+ ON {kind}) pgqueue\.{name}\b"


def statements(text: str) -> list[str]:
    """The statements of a script, without comments between them."""
    found, current = [], ""
    for token in _TOKEN.finditer(text):
        part = token[0]
        if part == ";":
            found.append(current.strip())
            current = ""
        elif not (part.startswith("--") and not current.strip()):
            current += part
    return [statement for statement in found if statement]


@cache
def _released() -> list[str]:
    from pgqueue.migrations.revision import revisions, upgrade_sql

    return [
        statement
        for revision in revisions()
        for text in upgrade_sql(revision)
        for statement in statements(text)
    ]


def put_back(object: Object, definition: str, have: str | None) -> tuple[str | None, bool]:
    """SQL that makes an object as it was defined, from what is there if anything is, and whether
    it is safe to run at once.

    Functions and views are replaced in place. Whatever touches rows, or locks a table that workers
    use, is for somebody who looks first.
    """
    is_there = have is not None
    if object.kind == "table" and is_there:
        return f"ALTER TABLE pgqueue.{object.name} SET LOGGED, DISABLE ROW LEVEL SECURITY;", False
    if object.kind in _FROM_ITS_TEXT and not (object.kind == "domain" and is_there):
        sql = _from_its_text(object, is_there)
        return sql, object.kind in ("function", "view") and sql is not None
    home, _, name = object.name.partition(".")
    match object.kind:
        case "index":
            return _index(object.name, definition, is_there), False
        case "column":
            return _column(home, name, definition, have), False
        case "constraint":
            kind = "DOMAIN" if Object("domain", home) in _domains() else "TABLE"
            drop = f'ALTER {kind} pgqueue.{home} DROP CONSTRAINT "{name}";\n' if is_there else ""
            return f'{drop}ALTER {kind} pgqueue.{home} ADD CONSTRAINT "{name}" {definition};', False
    return None, False


def remove(object: Object, have: str) -> str:
    """SQL that takes away an object that is not ours. Its name may be anything."""
    home, _, name = object.name.partition(".")
    kind = object.kind.upper()
    match object.kind:
        case "column" | "constraint":
            return f"ALTER TABLE pgqueue.{_quoted(home)} DROP {kind} {_quoted(name)};"
        case "trigger" | "rule":
            return f"DROP {kind} {_quoted(name)} ON pgqueue.{_quoted(home)};"
        case "index":
            return f"DROP INDEX{_at_once(have)} pgqueue.{_quoted(object.name)};"
        case "function":
            return f"DROP ROUTINE pgqueue.{object.name};"
    return f"DROP {kind} pgqueue.{_quoted(object.name)};"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _column(table: str, name: str, definition: str, have: str | None) -> str | None:
    if have is None:
        return f'ALTER TABLE pgqueue.{table} ADD COLUMN "{name}" {definition};'
    wanted, found = _COLUMN.fullmatch(definition), _COLUMN.fullmatch(have)
    if wanted is None or found is None:
        return None
    kind, required, default = wanted.groups()
    changes = [f"TYPE {kind}"] if kind != found[1] else []
    changes.append(f"SET DEFAULT {default}" if default else "DROP DEFAULT")
    changes.append("SET NOT NULL" if required else "DROP NOT NULL")
    steps = ",\n    ".join(f'ALTER COLUMN "{name}" {change}' for change in changes)
    return f"ALTER TABLE pgqueue.{table}\n    {steps};"


@cache
def _domains() -> frozenset[Object]:
    from .shape import expected

    return frozenset(object for object in expected() if object.kind == "domain")


def _index(name: str, definition: str, is_there: bool) -> str:
    at_once = _at_once(definition)
    drop = f"DROP INDEX{at_once} pgqueue.{name};\n" if is_there else ""
    create = definition.replace("INDEX ", f"INDEX{at_once} ", 1).replace(" ON ONLY ", " ON ", 1)
    return f"{drop}{create};"


def _at_once(definition: str) -> str:
    """Partitioned tables know no CONCURRENTLY; elsewhere it lets workers go on."""
    return "" if " ON ONLY " in definition else " CONCURRENTLY"


def _from_its_text(object: Object, is_there: bool) -> str | None:
    name = re.escape(object.name.partition("(")[0])
    kind = object.kind.upper()
    head = re.compile(rf"CREATE (?:OR REPLACE )?{kind} pgqueue\.{name}\b")
    made = [statement for statement in _released() if head.match(statement)]
    if not made:
        return None
    create = made[-1]
    if object.kind in ("function", "view"):
        create = create.replace(f"CREATE {kind}", f"CREATE OR REPLACE {kind}", 1)
    follows = re.compile(_FOLLOWS.format(kind=kind, name=name))
    rest = [statement for statement in _released() if follows.match(statement)]
    return "".join(f"{statement};\n" for statement in [create, *rest]).strip()
