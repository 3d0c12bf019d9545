"""`pgqueue dev`: a lasting private PostgreSQL server for development."""

import functools
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from pgqueue.embedded import EmbeddedServer, find_binaries
from pgqueue.embedded.accounts import lent_account
from pgqueue.errors import PgqueueError

from .output import print_json

P = ParamSpec("P")
R = TypeVar("R")
ROOT_HOME = Path("/var/lib/pgqueue")
CHECK_SAID_NO = 3


def server_options(command: Callable[P, R]) -> Callable[P, R]:
    """The options that say which server is meant."""
    data = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Directory of the server, instead of ~/.local/share/pgqueue/dev/MAJOR.",
    )
    major = click.option(
        "--pg", "major", type=int, metavar="MAJOR", help="Major version of PostgreSQL, such as 18."
    )
    return data(major(command))


def errors_for_people(command: Callable[P, R]) -> Callable[P, R]:
    """What the driver raises, as an error of the command line: exit code 1, no traceback."""

    @functools.wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return command(*arguments, **options)
        except PgqueueError as error:
            raise click.ClickException(str(error)) from error

    return run


@click.group()
def dev() -> None:
    """A private PostgreSQL server for development.

    It needs no installed server and no rights, keeps its data, and runs until `dev stop`.
    """


@dev.command()
@server_options
@click.option("--tcp", is_flag=True, help="Listen on 127.0.0.1 too, with a password.")
@errors_for_people
def start(data: Path | None, major: int | None, tcp: bool) -> None:
    """Start the server, and print how to use it.

    For the shell:  eval "$(pgqueue dev start)"
    """
    server = find_server(data, major, tcp=tcp)
    was_running = server.is_running()
    server.start()
    word = "was running already" if was_running else "is running"
    click.echo(f"PostgreSQL {server.binaries.version} {word} (process {server.pid}).", err=True)
    click.echo(f"Its data is in {server.data}", err=True)
    if data is None and server.data.is_relative_to(ROOT_HOME):
        click.echo("(root's home is closed to the server, which does not run as root)", err=True)
    click.echo("Stop it: pgqueue dev stop      Look inside: pgqueue dev psql", err=True)
    click.echo(f"export DATABASE_URL={quoted(server.dsn())}")
    if sys.stdout.isatty():
        flags = [] if data is None else ["--data", str(data)]
        flags += [] if major is None else ["--pg", str(major)]
        command = shlex.join(["pgqueue", "dev", "start", *flags])
        click.echo(f'To set it in your shell, run: eval "$({command})"', err=True)


@dev.command()
@server_options
@errors_for_people
def stop(data: Path | None, major: int | None) -> None:
    """Stop the server. Its data stays."""
    server = find_server(data, major)
    if not server.is_running():
        click.echo(f"No server is running in {server.data}", err=True)
        return
    server.stop()
    click.echo(f"Stopped. The data stays in {server.data}", err=True)


@dev.command()
@server_options
@click.pass_context
@errors_for_people
def status(context: click.Context, data: Path | None, major: int | None) -> None:
    """Say whether the server runs; the exit code is 3 when it does not."""
    server = find_server(data, major)
    running = server.is_running()
    facts = {
        "running": running,
        "version": server.binaries.version if running else None,
        "pid": server.pid if running else None,
        "url": without_password(server) if running else None,
        "data": str(server.data),
        "log": str(server.log),
    }
    if getattr(context.obj, "as_json", False):
        print_json(facts)
    elif running:
        click.echo(f"running    PostgreSQL {facts['version']}, process {facts['pid']}")
        click.echo(f"url        {facts['url']}")
        click.echo(f"data       {facts['data']}\nlog        {facts['log']}")
    else:
        click.echo(f"not running    data in {facts['data']}")
    if not running:
        context.exit(CHECK_SAID_NO)


@dev.command()
@server_options
@errors_for_people
def url(data: Path | None, major: int | None) -> None:
    """Print the server's URL and nothing else."""
    click.echo(running_server(data, major).dsn())


@dev.command(context_settings={"ignore_unknown_options": True})
@server_options
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@errors_for_people
def psql(data: Path | None, major: int | None, arguments: tuple[str, ...]) -> None:
    """Open psql on the server. ARGUMENTS are psql's: pgqueue dev psql -- -c 'SELECT 1'"""
    server = running_server(data, major)
    program = shutil.which("psql", path=server.binaries.directory) or shutil.which("psql")
    if program is None:
        raise click.ClickException(
            f"There is no psql beside the server in {server.binaries.directory}, nor on PATH.\n"
            "Hint: install PostgreSQL's client (Debian: postgresql-client), or use another client "
            "with the URL of `pgqueue dev url`."
        )
    variables = {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": server.user,
        "PGDATABASE": server.maintenance_dbname,
        "PGPASSWORD": server.password or "",
    }
    # Replacing ourselves leaves Ctrl-C and the terminal to psql; variables hide the password.
    os.execve(program, [program, *arguments], os.environ | variables)  # noqa: S606 - no shell


@dev.command()
@server_options
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
@errors_for_people
def reset(context: click.Context, data: Path | None, major: int | None, yes: bool) -> None:
    """Stop the server and delete all its data."""
    server = find_server(data, major)
    if not server.exists:
        click.echo(f"There is nothing to delete in {server.data}", err=True)
        return
    if not (yes or getattr(context.obj, "yes", False)):
        click.confirm(f"Delete the server in {server.data} and all its data?", abort=True, err=True)
    server.delete()
    click.echo(f"Deleted {server.data}", err=True)


def find_server(data: Path | None, major: int | None, *, tcp: bool = False) -> EmbeddedServer:
    """The development server of the given directory, or of the version's usual directory."""
    binaries = find_binaries(major)
    place = data or usual_directory(binaries.major)
    return EmbeddedServer(place, detached=True, tcp=tcp, binaries=binaries)


def running_server(data: Path | None, major: int | None) -> EmbeddedServer:
    """The same, or an error if it does not run."""
    server = find_server(data, major)
    if not server.is_running():
        raise click.ClickException(
            f"No server is running in {server.data}\nHint: pgqueue dev start"
        )
    return server


def usual_directory(major: int) -> Path:
    """Below the user's data home, or in /var/lib where that home is closed to root's server."""
    home = os.environ.get("XDG_DATA_HOME", "")
    shared = Path(home) if os.path.isabs(home) else Path("~/.local/share").expanduser()
    account = lent_account()
    if account is not None and account.barrier(shared) is not None:
        return ROOT_HOME / "dev" / str(major)
    return shared / "pgqueue" / "dev" / str(major)


def without_password(server: EmbeddedServer) -> str:
    """The URL for people to look at."""
    return server.dsn().replace(f":{server.password}@", ":***@")


def quoted(text: str) -> str:
    """For a POSIX shell, always between quotes."""
    word = shlex.quote(text)
    return word if word.startswith("'") else f"'{word}'"
