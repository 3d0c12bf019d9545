"""`pgqueue worker`: run jobs, in one process or several, and again after every change."""

from __future__ import annotations

import difflib
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from .errors import USAGE, CommandError
from .printable import printable
from .session import Session, refuses_color
from .values import QUEUE_LIMIT, QUEUE_WEIGHT, SECONDS

if TYPE_CHECKING:
    from pgqueue.application import Application
    from pgqueue.settings import WorkerSettings
    from pgqueue.worker.log import Level

_OURS = ("processes", "reload", "reload_directories", "dry_run", "parent")
"""What the process that is typed does itself, and does not tell the ones that it starts."""
MOST_TASKS = 6


@click.command()
@click.option(
    "-q",
    "--queue",
    "queues",
    type=QUEUE_LIMIT,
    multiple=True,
    help='Serve this queue, with at most so many of its jobs at once. By default "default".',
)
@click.option(
    "--weight",
    "weights",
    type=QUEUE_WEIGHT,
    multiple=True,
    help="Claim so many jobs of this queue for each one of a queue without a weight.",
)
@click.option("-c", "--concurrency", type=int, default=20, show_default=True, help="Jobs at once.")
@click.option("--processes", type=click.IntRange(1, 256), default=1, help="Worker processes.")
@click.option("--children", type=int, help='For tasks with run_in="process". By default: cores.')
@click.option("--prefetch", type=int, default=1000, help="Most jobs claimed ahead of a free slot.")
@click.option("--once", is_flag=True, help="Stop when no job is due and none runs.")
@click.option("--max-jobs", type=int, help="Stop after so many jobs.")
@click.option("--max-idle", type=SECONDS, help="Stop after so long without a job.")
@click.option("--max-rss", "max_rss_mb", type=int, metavar="MB", help="Stop above this memory.")
@click.option(
    "--grace", type=SECONDS, default=30.0, show_default="30s", help="For running jobs, at the end."
)
@click.option(
    "--lease", type=SECONDS, default=15.0, show_default="15s", help="Without a heartbeat: lost."
)
@click.option("--heartbeat", type=SECONDS, default=5.0, show_default="5s", help="How often.")
@click.option("--poll", type=SECONDS, default=3.0, show_default="3s", help="Look while asleep.")
@click.option("--listen/--no-listen", default=True, help="Without, for poolers: polls only.")
@click.option("--name", help="What people see. By default host and process.")
@click.option("--reload/--no-reload", default=False, help="Start anew when Python files change.")
@click.option(
    "--reload-dir",
    "reload_directories",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Watch this directory. By default the current one.",
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="By default info; with -v debug.",
)
@click.option("--log-args", is_flag=True, help="Log the arguments of jobs, which may be secret.")
@click.option("--parent", type=int, hidden=True)  # who supervises this process, and replaces it
@click.option("--dry-run", is_flag=True, help="Check settings, app and database, and stop.")
@click.pass_context
def worker(context: click.Context, /, **options: Any) -> None:
    """Run jobs until SIGTERM or Ctrl+C, which lets running jobs finish; twice stops now.

    -q is the queue here; --quiet leaves out the banner.
    """
    session: Session = context.obj
    settings = _settings(options)
    application = session.application
    _look_around(session, application, settings, options)
    if options["dry_run"]:
        session.note("Dry run: all is well.")
        return
    context.exit(_run(context, session, application, settings, options))


def _settings(options: dict[str, Any]) -> WorkerSettings:
    from pgqueue.settings import WorkerSettings

    queues: dict[str, int | None] = {}
    for name, limit in options["queues"]:
        if name in queues:
            raise CommandError(f"queue {name} is given twice.", exit_code=USAGE)
        queues[name] = limit
    names = (
        "concurrency", "prefetch", "once", "max_jobs", "max_idle", "max_rss_mb", "grace", "lease",
        "heartbeat", "poll", "listen", "name", "children",
    )  # fmt: skip
    chosen = {name: options[name] for name in names if options[name] is not None}
    if queues:
        chosen["queues"] = queues
    weights: dict[str, int] = {}
    for name, weight in options["weights"]:
        if name in weights:
            raise CommandError(f"queue {name} has two weights.", exit_code=USAGE)
        weights[name] = weight
    if weights:
        chosen["weights"] = weights
    return WorkerSettings(**chosen)


def _run(
    context: click.Context,
    session: Session,
    application: Application,
    settings: WorkerSettings,
    options: dict[str, Any],
) -> int:
    if options["reload"]:
        from pgqueue.worker.reload import run_reloading

        command = _command(context, session) + (
            ["--processes", str(options["processes"])] if options["processes"] > 1 else []
        )
        directories = list(options["reload_directories"]) or [Path.cwd()]
        return run_reloading(command, directories, settings.grace)
    if options["processes"] > 1:
        from pgqueue.worker.supervisor import supervise

        command = [*_command(context, session), "--processes", "1"]
        return supervise(command, options["processes"], settings.grace)
    from pgqueue.worker import run
    from pgqueue.worker.log import observer

    log = observer(
        options["log_format"],
        level=cast("Level", options["log_level"] or ("debug" if session.verbose else "info")),
        show_args=options["log_args"],
        color=_color_on_stderr(session),
    )
    return run(application, settings, observers=[log], parent=options["parent"])


def _command(context: click.Context, session: Session) -> list[str]:
    """The command line of a process that works alone, as this one was told to."""
    if session.dsn is not None:
        # Not an argument: those of a process are shown to every user of the machine.
        os.environ["PGQUEUE_DSN"] = session.dsn
    command = [sys.executable, "-m", "pgqueue", "worker", "--quiet", "--no-reload"]
    command += ["--parent", str(os.getpid())]
    command += ["--app", session.app] if session.app is not None else []
    command += ["--config", session.config] if session.config is not None else []
    command += ["-v"] * session.verbose
    if session.color is not None or _color_on_stderr(session):
        command.append("--color" if _color_on_stderr(session) else "--no-color")
    for option in context.command.params:
        name = option.name or ""
        typed = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if typed and option.expose_value and name not in _OURS:
            command += _typed(option, context.params[name])
    return command


def _typed(option: click.Parameter, value: Any) -> list[str]:
    """An option as it is written on a command line."""
    flag = next(flag for flag in option.opts if flag.startswith("--"))
    if isinstance(value, bool):
        return [flag if value else option.secondary_opts[0]]
    if isinstance(value, tuple):
        write = _weight if option.name == "weights" else _queue
        return [part for queue in value for part in (flag, write(*queue))]
    return [flag, str(value)]


def _queue(name: str, limit: int | None) -> str:
    # A name may hold colons: without a limit it needs one at its end to be read as it is.
    return name if limit is None and ":" not in name else f"{name}:{limit or ''}"


def _weight(name: str, weight: int) -> str:
    return f"{name}={weight}"


def _color_on_stderr(session: Session) -> bool:
    if session.color is not None:
        return session.color
    return sys.stderr.isatty() and not refuses_color()


def _look_around(
    session: Session,
    application: Application,
    settings: WorkerSettings,
    options: dict[str, Any],
) -> None:
    """Reach the database once, before anything is started, and say what was found."""
    if not application.tasks:
        session.note("The app has no tasks. Is the module that declares them imported?")
    with session.connect() as connection:
        server = connection.info.parameter_status("server_version")
    if session.quiet or options["log_format"] == "json":
        return
    from importlib.metadata import version

    from pgqueue.database.schema import SCHEMA_VERSION

    from .discovery import name_of

    source = session.app_setting.source if session.app_setting else "found here"
    number = SCHEMA_VERSION.removeprefix("pgqueue_").lstrip("0")
    rows = [
        ("app", f"{name_of(application)}  ({source})"),
        ("database", f"{session.shown_dsn}  ({session.dsn_setting.source})"),
        ("", f"PostgreSQL {server}, schema pgqueue v{number}"),
        ("queues", "  ".join(_served(settings, queue) for queue in settings.queues)),
        ("runs", _concurrency(settings, options["processes"])),
        ("tasks", _shortened(list(application.tasks))),
    ]
    for queue, tasks in _not_served(application, settings).items():
        rows.append(("", f"not served here: queue {queue} ({_shortened(tasks)})"))
    for queue in settings.queues:
        rows += [("", told)] if (told := _without_tasks(application, queue)) else []
    click.echo(f"pgqueue {version('pgqueue')}   worker", err=True)
    for name, value in rows:
        click.echo(f"  {name:9} {printable(value)}", err=True)
    if not options["dry_run"]:
        text = f"Ctrl+C lets running jobs finish ({settings.grace:g}s); twice stops now."
        click.echo(text, err=True)


def _served(settings: WorkerSettings, queue: str) -> str:
    limit, weight = settings.queues[queue], settings.weights.get(queue)
    shown = queue if limit is None else f"{queue}:{limit}"
    return shown if weight is None else f"{shown} (weight {weight})"


def _concurrency(settings: WorkerSettings, processes: int) -> str:
    each = f"{settings.concurrency} at once"
    return each if processes == 1 else f"{each} in each of {processes} processes"


def _shortened(tasks: list[str]) -> str:
    more = f", +{len(tasks) - MOST_TASKS}" if len(tasks) > MOST_TASKS else ""
    return f"{len(tasks)}  {', '.join(tasks[:MOST_TASKS])}{more}"


def _without_tasks(application: Application, queue: str) -> str | None:
    """A queue that no task of the app names is served for jobs that name it, or is misspelt."""
    known = {task.options.queue for task in application.tasks.values()}
    if queue in known or not known:
        return None
    close = difflib.get_close_matches(queue, sorted(known), n=1)
    meant = f"did you mean {close[0]}?" if close else f"tasks use: {', '.join(sorted(known))}"
    return f'queue "{queue}" is the default of no task; {meant}'


def _not_served(application: Application, settings: WorkerSettings) -> dict[str, list[str]]:
    """Queues that tasks of the app use by default, but that this worker leaves to others."""
    missing = defaultdict(list)
    for task in application.tasks.values():
        if task.options.queue not in settings.queues:
            missing[task.options.queue].append(task.name)
    return missing
