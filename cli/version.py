"""`pgqueue version`."""

from __future__ import annotations

import platform

import click

from .output import print_json
from .session import Session


@click.command()
@click.pass_obj
def version(session: Session) -> None:
    """Print the version."""
    from importlib.metadata import version

    number = version("pgqueue")
    if session.as_json:
        print_json({"pgqueue": number, "python": platform.python_version()})
    elif session.quiet:
        click.echo(number)
    else:
        click.echo(f"pgqueue {number} (Python {platform.python_version()})")
