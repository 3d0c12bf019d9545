"""The figures as a table: the median, and below it the lowest and the highest."""

from __future__ import annotations

import statistics
import sys
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

from .figures import TITLES, Figures
from .peer import load

WIDTH = 160
"""Of a file or a pipe."""


def show(figures: Figures, peers: list[str], heading: str) -> None:
    table = Table(title=heading, title_justify="left", show_lines=True)
    table.add_column("median (lowest to highest)", min_width=24)
    for peer in peers:
        table.add_column(f"{peer}\n{version(load(peer).distribution)}", justify="right")
    for figure, title in TITLES.items():
        if figure in figures.values:
            table.add_row(title, *(_cell(figures.of(figure, peer)) for peer in peers))
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    console.print(table)
    for what, why in figures.left_out.items():
        console.print(f"left out: {what}: {why}", markup=False)
    for what, why in figures.failures.items():
        console.print(f"failed: {what}: {why}", markup=False)


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    if len(values) == 1:
        return f"[bold]{_number(values[0])}[/]"
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"[bold]{_number(middle)}[/]\n{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}" if value < 1 else f"{value:.1f}"
