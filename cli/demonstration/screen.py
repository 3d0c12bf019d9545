"""Where the demo is told: steps, events, and a bar, or plain lines where no terminal is."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from ..output import count_of, text_of_seconds
from ..printable import printable
from .observation import Snapshot

PLAIN_EVERY = 2.0
"""Seconds between lines of progress where no terminal is."""


class Screen:
    """One stream of text for people."""

    def __init__(self, file: TextIO, *, color: bool, quiet: bool) -> None:
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="backslashreplace")
        self._console = Console(
            file=file,
            quiet=quiet,
            no_color=not color,
            color_system="standard" if color else None,
            highlight=False,
            legacy_windows=False,
        )
        fancy = "utf" in self._console.encoding
        self._yes, self._no, self._dot = ("✔", "✘", "●") if fancy else ("ok", "NO", "--")

    def line(self, text: str = "", *, style: str = "") -> None:
        """Text as it is; only what a terminal would obey is written out."""
        self._console.print(Text(printable(text, lines=True), style=style), soft_wrap=True)

    def done(self, text: str, seconds: float | None = None) -> None:
        """A step that was taken, and how long it took."""
        took = "" if seconds is None else f"   {text_of_seconds(seconds)}"
        self._marked(self._yes, "green", text, took)

    def failed(self, text: str) -> None:
        """What should have been and is not."""
        self._marked(self._no, "bold red", text)

    def event(self, text: str) -> None:
        """What happens meanwhile."""
        self._marked(self._dot, "yellow", text)

    def _marked(self, mark: str, style: str, text: str, after: str = "") -> None:
        line = Text("  ").append(mark, style=style).append(f" {printable(text)}")
        self._console.print(line.append(after, style="dim"), soft_wrap=True)

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[Snapshot], None]]:
        """Shows snapshots for the length of the block."""
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            with self._bar(total) as show:
                yield show
        else:
            yield self._lines(total)

    @contextmanager
    def _bar(self, total: int) -> Iterator[Callable[[Snapshot], None]]:
        columns = (
            TextColumn(" "),
            BarColumn(24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[details]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task("", total=total, details="")

            def show(snapshot: Snapshot) -> None:
                progress.update(task, completed=snapshot.finished, details=_details(snapshot))

            yield show

    def _lines(self, total: int) -> Callable[[Snapshot], None]:
        began = due = time.monotonic()

        def show(snapshot: Snapshot) -> None:
            nonlocal due
            now = time.monotonic()
            if now >= due:
                due = now + PLAIN_EVERY
                done = f"{snapshot.finished:,} of {total:,} finished"
                self.line(f"    {now - began:3.0f}s  {done}  {_details(snapshot)}")

        return show


def _details(snapshot: Snapshot) -> str:
    parts = (
        f"depth {snapshot.depth:,}",
        f"{snapshot.per_second:,.0f} jobs/s",
        count_of(snapshot.failures, "failure"),
        count_of(snapshot.workers, "worker"),
    )
    return " · ".join(parts)
