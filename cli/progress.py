"""A bar for what takes long: on stderr, on a terminal, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from .session import Session

WORTH_IT = 2
"""Steps below which there is nothing to see."""


@contextmanager
def progress(session: Session, label: str, steps: int) -> Iterator[Callable[[int], None]]:
    """Tells how many more steps are done. The bar stays when it ends, and so does whatever is left
    of it when the work is interrupted.
    """
    if session.quiet or steps < WORTH_IT or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(
        length=steps, label=label, file=sys.stderr, show_pos=True, show_eta=True
    ) as bar:
        yield bar.update
