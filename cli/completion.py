"""`pgqueue completion`: Click's own script for your shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .errors import CommandError
from .session import Session


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(session: Session, shell: str) -> None:
    """Print the completion script of a shell.

    For bash:  eval "$(pgqueue completion bash)"
    """
    from .main import main

    kind = get_completion_class(shell)
    if kind is None:
        raise CommandError(f"there is no completion for {shell}.")
    click.echo(kind(main, {}, "pgqueue", "_PGQUEUE_COMPLETE").source())
