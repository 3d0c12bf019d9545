"""`pgqueue worker`: run jobs, in one process or several, and again after every change."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from .banner import look_around
from .errors import USAGE, CommandError
from .session import Session, refuses_color
from .values import QUEUE_LIMIT, QUEUE_WEIGHT, SECONDS, several

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgqueue.application import Application
    from pgqueue.settings import WorkerSettings
    from pgqueue.worker.log import Level

_OURS = ("processes", "reload", "reload_directories", "dry_run", "parent")
"""What the process that is typed does itself, and does not tell the ones that it starts."""


@click.command()
@click.option(
    "-q",
    "--queue",
    "queues",
    multiple=True,
    callback=several(QUEUE_LIMIT),
    metavar=QUEUE_LIMIT.name,
    help="Serve this queue, with at most so many of its jobs at once: email:10,pay. "
    'By default "default".',
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    callback=several(QUEUE_WEIGHT),
    metavar=QUEUE_WEIGHT.name,
    help="Claim so many jobs of this queue for each one of a queue without a weight.",
)
@click.option(
    "--strict", is_flag=True, help="Serve the queues in their order, the first one first."
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
@click.option("--cron/--no-cron", "schedules", default=True, help="Without, ticks no schedules.")
@click.option("--name", help="What people see. By default host and process.")
@click.option(
    "--health-port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="Serve /livez, /readyz and /metrics. With --processes, the next ones for the others.",
)
@click.option("--health-host", default="127.0.0.1", show_default=True, help="The address for them.")
@click.option("--ready-within", type=SECONDS, help="Ready: a claim was answered so long ago.")
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
    _check_ports(settings, options["processes"])
    application = session.application
    look_around(session, application, settings, options)
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
        "heartbeat", "poll", "listen", "name", "children", "strict", "schedules",
        "health_port", "health_host", "ready_within",
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
        return supervise(command, options["processes"], settings.grace, of_its_own=_port(settings))
    from pgqueue.worker import run
    from pgqueue.worker.log import observer

    log = observer(
        options["log_format"],
        level=cast("Level", options["log_level"] or ("debug" if session.verbose else "info")),
        show_args=options["log_args"],
        color=_color_on_stderr(session),
    )
    return run(application, settings, observers=[log], parent=options["parent"])


def _check_ports(settings: WorkerSettings, processes: int) -> None:
    last = (settings.health_port or 0) + processes - 1
    if last > 65535:
        raise CommandError(
            f"{processes} processes need the ports {settings.health_port} to {last}, "
            "and the last port is 65535.",
            hint="give a lower --health-port",
            exit_code=USAGE,
        )


def _port(settings: WorkerSettings) -> Callable[[int], list[str]]:
    """Each process answers for itself alone, so each has a port: the first the one that was given,
    the others those after it.
    """
    first = settings.health_port
    if first is None:
        return lambda number: []
    return lambda number: ["--health-port", str(first + number - 1)]


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
