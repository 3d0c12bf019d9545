"""How results look: tables for people, one JSON document for programs, ids alone for scripts."""

from __future__ import annotations

import io
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import click

from pgqueue.wording import count_of as count_of
from pgqueue.wording import text_of_seconds as text_of_seconds

from .printable import printable

if TYPE_CHECKING:
    from .session import Session

STATE_STYLES = {
    "running": "cyan",
    "succeeded": "green",
    "retrying": "yellow",
    "dead": "red",
    "cancelled": "bright_black",
    "lost": "red",
    "draining": "yellow",
    "quiet": "yellow",
    "paused": "yellow",
    "broken": "red",
}
_UNSAFE = re.compile(r"[^\x20-\x7e]")
_WIDEST = 100_000
_LEAST = 20


def print_json(document: Any) -> None:
    """One document on one line. Durations in it are numbers of seconds, times ISO-8601 in UTC.

    What a terminal would obey is written as a JSON escape, whatever text the document holds.
    """
    import msgspec

    text = msgspec.json.encode(_in_seconds(document)).decode()
    click.echo(_UNSAFE.sub(_escape_in_json, text))


def print_json_list(items: Sequence[Any], cursor: int | str | None = None) -> None:
    """A list, and where the next page begins."""
    print_json({"items": items, "next": None if cursor is None else str(cursor)})


def raw(text: str | None) -> Any:
    """A JSON document from the database, passed on as it is: it may be too deep or too large for
    Python.
    """
    import msgspec

    return None if text is None else msgspec.Raw(text.encode())


def print_table(
    session: Session, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str
) -> None:
    """A table under headings. A heading that starts with `>` is set to the right.

    Only the last column is cut at the width of the terminal: half an id is another id.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[printable("–" if cell is None else cell) for cell in row] for row in rows]
    if not cells:
        session.note(empty)
        return
    table = Table(box=None, pad_edge=True, header_style="bold", padding=(0, 1))
    for heading in columns:
        justify: Literal["left", "right"] = "right" if heading.startswith(">") else "left"
        table.add_column(heading.lstrip(">"), justify=justify, no_wrap=True)
    room = _room_of_the_last(columns, cells)
    for row in cells:
        texts = [Text(cell, style=STATE_STYLES.get(cell, "")) for cell in row]
        texts[-1].truncate(room, overflow="ellipsis")
        table.add_row(*texts)
    file = io.StringIO()
    color = session.wants_color()
    Console(
        file=file,
        width=_WIDEST,
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
    ).print(table)
    lines = (line.rstrip() for line in file.getvalue().splitlines())
    click.echo("\n".join(lines), color=color)


def _room_of_the_last(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """What the columns before it leave of the terminal's width, but enough to be of use."""
    from rich.cells import cell_len

    if not sys.stdout.isatty():
        return _WIDEST
    headings = [heading.lstrip(">") for heading in columns]
    taken = [2 + max(map(cell_len, column)) for column in zip(headings, *rows, strict=True)]
    return max(shutil.get_terminal_size().columns - sum(taken[:-1]) - 2, _LEAST)


def styled_state(state: str) -> str:
    """A state in its colour; click takes the colour off where it is not wanted."""
    return click.style(state, fg=STATE_STYLES.get(state))


def print_ids(ids: Iterable[object]) -> None:
    """For scripts: one a line."""
    for id in ids:
        click.echo(printable(id))


def text_of_age(then: datetime | None, now: datetime) -> str | None:
    """`2m ago`, `in 5m`."""
    if then is None:
        return None
    seconds = (now - then).total_seconds()
    return f"in {text_of_seconds(-seconds)}" if seconds < 0 else f"{text_of_seconds(seconds)} ago"


def text_of_instant(instant: datetime | None) -> str:
    """An instant in UTC, to the second."""
    return "–" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}Z"


def _in_seconds(document: Any) -> Any:
    """The document with its durations as numbers."""
    match document:
        case timedelta():
            return document.total_seconds()
        case dict():
            return {key: _in_seconds(value) for key, value in document.items()}
        case list() | tuple():
            return [_in_seconds(value) for value in document]
    return document


def _escape_in_json(match: re.Match[str]) -> str:
    """Outside of ASCII only strings have characters, so an escape is always right."""
    character = match[0]
    if character.isprintable():
        return character
    units = character.encode("utf-16-be")
    pairs = (units[at : at + 2] for at in range(0, len(units), 2))
    return "".join(f"\\u{int.from_bytes(pair, 'big'):04x}" for pair in pairs)
