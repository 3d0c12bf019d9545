"""The program: its commands by name, loaded when they are used, and the end of every error."""

from __future__ import annotations

import difflib
import errno
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from .errors import USAGE, CommandError, of_text
from .explaining import explain
from .flags import add_global_options, global_options
from .printable import printable
from .session import Session, refuses_color

COMMANDS: dict[str, dict[str, str]] = {
    "Run": {
        "worker": "Run jobs.",
        "dashboard": "Look and act in a browser.",
        "demo": "See it all at work.",
        "dev": "A private PostgreSQL server for development.",
    },
    "Look": {
        "info": "Queues, workers and what is wrong, at one glance.",
        "top": "Queues, running jobs and failures, live, with keys to act.",
        "tail": "What happens to jobs, as it happens, one event a line.",
        "errors": "Failures, grouped by what they have in common.",
        "jobs": "Look at jobs; ask why they wait; retry, cancel and await them.",
        "queues": "Look at queues; pause, resume, drain and limit them.",
        "limits": "How many jobs run at once, and how many start in a time.",
        "workers": "Who is working.",
        "health": "Whether a worker lives, for probes.",
        "tasks": "What the app can do.",
        "pauses": "Whatever is paused.",
        "audit": "Who did what by hand.",
        "cron": "Look at schedules; preview, make, run, pause, resume and remove them.",
    },
    "Act": {
        "enqueue": "Enqueue a job.",
        "pause": "Let no new job of a task, with a tag, or of a tenant begin.",
        "resume": "Let the jobs of a paused task, tag or tenant begin again.",
    },
    "Database": {
        "migrate": "Install or upgrade the schema.",
        "doctor": "What is wrong, and what to do about it.",
        "bench": "Measure what your server can do.",
    },
    "Setup": {
        "init": "Begin a project here.",
        "config": "Every setting, its value, its source.",
        "completion": "Print the completion script of a shell.",
        "version": "Print the version.",
    },
}
MODULES = {"errors": "error_groups"}
"""Commands whose module has another name, as theirs is taken."""
INTERRUPTED = 130
NO_ARGUMENTS = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What newer Click raises to show the help of a group that was given no command."""


class Program(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = [name for section in COMMANDS.values() for name in section]
        return [name for name in names if _exists(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if not any(cmd_name in section for section in COMMANDS.values()) or not _exists(cmd_name):
            return None
        module = importlib.import_module(f".{MODULES.get(cmd_name, cmd_name)}", __package__)
        if cmd_name not in self.commands:
            self.add_command(add_global_options(getattr(module, cmd_name)), cmd_name)
        return self.commands[cmd_name]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            close = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            raise CommandError(
                f'there is no command "{name}".',
                hint=f"did you mean {close[0]}?" if close else "pgqueue --help lists all.",
                exit_code=USAGE,
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, section in COMMANDS.items():
            rows = [(name, text) for name, text in section.items() if _exists(name)]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _reader_left()
            ctx.exit(0)

    def main(  # type: ignore[override]  # we end the program ourselves, whatever click would do
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        """Run a command line and end with its exit code."""
        if not extra.pop("standalone_mode", True):
            return super().main(args, prog_name, standalone_mode=False, **extra)
        sys.exit(self._run(args, prog_name or "pgqueue", extra))

    def _run(self, args: Sequence[str] | None, prog_name: str, extra: dict[str, Any]) -> int:
        session = Session()
        try:
            code = super().main(args, prog_name, standalone_mode=False, obj=session, **extra)
            sys.stdout.flush()
            return code if isinstance(code, int) else 0
        except click.Abort as error:
            return _aborted(error)
        except click.UsageError as error:
            if isinstance(error, NO_ARGUMENTS):
                error.show()
                return USAGE
            return _show(_usage(error))
        except click.ClickException as error:
            if error.__cause__ is not None:
                _trace(session, error.__cause__)
            if not isinstance(error, CommandError):
                error = of_text(error.format_message(), error.exit_code)
            return _show(error)
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            _reader_left()
            return 0
        except Exception as error:  # noqa: BLE001 - the end of every error
            _trace(session, error)
            return _show(explain(error, session))


def _exists(name: str) -> bool:
    return importlib.util.find_spec(f".{MODULES.get(name, name)}", __package__) is not None


def _aborted(error: click.Abort) -> int:
    if isinstance(error.__cause__, KeyboardInterrupt):
        return INTERRUPTED
    click.echo("Aborted.", err=True)
    return 1


def _usage(error: click.UsageError) -> CommandError:
    where = error.ctx.command_path if error.ctx is not None else "pgqueue"
    message = error.format_message()
    return CommandError(
        message[:1].lower() + message[1:] if message[1:2].islower() else message,
        hint=f"{where} --help",
        exit_code=USAGE,
    )


def _trace(session: Session, error: BaseException) -> None:
    """Where it came from, for those who ask with -vv."""
    if session.verbose >= 2:
        text = "".join(traceback.format_exception(error))
        click.echo(printable(session.scrub(text), lines=True), err=True)


def _show(error: CommandError) -> int:
    try:
        sys.stdout.flush()
        error.show()
    except OSError as broken:
        if broken.errno != errno.EPIPE:
            raise
    return error.exit_code


def _reader_left() -> None:
    """Whoever read our output has seen enough, as `head` has: no error, and no more output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=Program,
    params=list(global_options()),
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "PGQUEUE",
        "max_content_width": 100,
    },
    epilog="Global options may also stand after the command. "
    "Variables: PGQUEUE_APP, PGQUEUE_DSN, DATABASE_URL, PGHOST and the others of libpq.",
)
@click.pass_context
def main(context: click.Context) -> None:
    """A job queue in PostgreSQL: a job exists if and only if your transaction commits."""
    session = context.ensure_object(Session)
    if session.color is None and refuses_color():
        context.color = False
