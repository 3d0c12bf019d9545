"""`pgqueue demo`: see it all at work, on a private server and a real corpus, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .errors import FAILED, USAGE, CommandError
from .session import Session

if TYPE_CHECKING:
    from .demonstration.corpus import Corpus


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--no-stdlib", is_flag=True, help="Index the given folders only.")
@click.option("--keep", is_flag=True, help="Leave server and data, and say what to type next.")
@click.pass_obj
def demo(session: Session, folders: tuple[Path, ...], no_stdlib: bool, keep: bool) -> None:
    """See it all at work: real files, real workers, one of them killed.

    Starts a private PostgreSQL server and indexes every Python file of the standard library (but
    for the package test, which not every Python has) and of the FOLDERS given. Then it checks
    itself against a count without the queue; the exit code is 1 if anything was lost, doubled or
    wrong. Nothing is left behind, unless you --keep it.

    With --dsn it uses that database instead, in which there may be no schema pgqueue and no table
    document yet. Variables such as DATABASE_URL are not asked: the demo never finds your data.
    """
    from .demonstration.direction import perform
    from .interruption import ending_in_order

    if no_stdlib and not folders:
        raise CommandError(
            "--no-stdlib leaves nothing to index.",
            hint="name a folder with Python files: pgqueue demo --no-stdlib FOLDER",
            exit_code=USAGE,
        )
    with ending_in_order():
        corpus = _corpus(folders, no_stdlib)
        holds = perform(session, corpus, keep)
    if not holds:
        click.get_current_context().exit(FAILED)


def _corpus(folders: tuple[Path, ...], no_stdlib: bool) -> Corpus:
    from .demonstration.corpus import read_corpus, standard_library
    from .demonstration.plan import FEWEST

    corpus = read_corpus([*([] if no_stdlib else [standard_library()]), *folders])
    if corpus.empty:
        raise CommandError(
            f"there are no Python files in {corpus.empty[0]}.",
            hint="name a folder that has .py files in it, or below it.",
            exit_code=USAGE,
        )
    if len(corpus.documents) < FEWEST:
        raise CommandError(
            f"{len(corpus.documents)} Python files are too few to show anything.",
            f"The demo needs {FEWEST} at least.",
            "leave out --no-stdlib, or name more folders.",
            exit_code=USAGE,
        )
    return corpus
