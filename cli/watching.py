"""The same picture again and again: in place on a terminal, one after the other elsewhere."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn

import click

from .interruption import ending_in_order

if TYPE_CHECKING:
    from .session import Session


def watching(session: Session, every: float, show: Callable[[], None]) -> NoReturn:
    """Call `show`, which prints, until somebody stops it. What was on the terminal before is there
    again afterwards, with the last picture below it.
    """
    if session.as_json or session.quiet or not sys.stdout.isatty():
        while True:
            show()
            time.sleep(every)
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    color = session.wants_color()
    click.get_current_context().color = color
    text = ""
    console = Console(no_color=not color, highlight=False)
    try:
        with (
            ending_in_order(),
            Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False) as live,
        ):
            while True:
                text = _printed(show)
                head = f"every {every:g}s, {datetime.now().astimezone():%H:%M:%S}, Ctrl+C ends\n\n"
                live.update(Text.from_ansi(head + text), refresh=True)
                time.sleep(every)
    finally:
        click.echo(text, nl=False)


def _printed(show: Callable[[], None]) -> str:
    """What `show` prints."""
    with redirect_stdout(io.StringIO()) as printed:
        show()
    return printed.getvalue()
