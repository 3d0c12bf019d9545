"""The global flags, which every command takes before or after its name."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from .environment import read_environment_file
from .session import Session
from .values import SECONDS

MORE = "Global options such as --app, --dsn and --json are listed by: pgqueue --help"


def remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep what was typed; what was not leaves the value from the other side of the command."""
    if context.get_parameter_source(option.name or "") is not ParameterSource.COMMANDLINE:
        return
    session = context.find_root().ensure_object(Session)
    if option.name == "verbose":
        value += session.verbose
    setattr(session, option.name or "", value)
    if option.name == "color":
        context.color = value


def load_environment(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """Let the file speak before anything asks the environment, which has the last word itself."""
    if value is None:
        return
    remember(context, option, value)
    session = context.find_root().ensure_object(Session)
    for name, text in read_environment_file(value).items():
        if name not in os.environ:
            os.environ[name] = text
            session.from_environment_file.add(name)


def tell_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    """Print the version and end."""
    if value and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"pgqueue {version('pgqueue')}")
        context.exit()


class GlobalOption(click.Option):
    """An option whose value goes to the session instead of to the command."""

    def __init__(self, *flags: str, callback: Callable[..., Any] = remember, **attributes: Any):
        settings: dict[str, Any] = {
            "callback": callback,
            "expose_value": False,
            "allow_from_autoenv": False,
        }
        super().__init__(flags, **(settings | attributes))


_FILE = click.Path(exists=True, dir_okay=False)
_OPTIONS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("-A", "--app"), {"metavar": "MODULE:ATTR", "help": "Where your PgQueue object is."}),
    (("-d", "--dsn"), {"metavar": "URL", "help": "The database."}),
    (("--config",), {"type": _FILE, "help": "TOML file with [tool.pgqueue]."}),
    (
        ("--env-file",),
        {
            "type": _FILE,
            "is_eager": True,
            "callback": load_environment,
            "help": "Read variables that are not set from a file of KEY=VALUE lines.",
        },
    ),
    (("--json", "as_json"), {"is_flag": True, "help": "Print one JSON document."}),
    (("-q", "--quiet"), {"is_flag": True, "help": "Print ids or names only."}),
    (("-v", "--verbose"), {"count": True, "help": "Say more; -vv shows tracebacks."}),
    (
        ("--color/--no-color",),
        {"default": None, "help": "Colours. By default on terminals, unless NO_COLOR is set."},
    ),
    (("--yes",), {"is_flag": True, "help": "Do not ask."}),
    (
        ("--timeout",),
        {
            "type": SECONDS,
            "help": "The longest that a query may take; 0: no limit. By default 10s.",
        },
    ),
    (
        ("--version",),
        {
            "is_flag": True,
            "is_eager": True,
            "callback": tell_version,
            "help": "Print the version.",
        },
    ),
]


def global_options(taken: frozenset[str] = frozenset(), **attributes: Any) -> list[click.Option]:
    """All global options but for the flags and names that a command uses itself."""
    options: list[click.Option] = []
    for flags, settings in _OPTIONS:
        free = tuple(flag for flag in flags if flag not in taken)
        if any(flag.startswith("--") for flag in free):
            options.append(GlobalOption(*free, **(settings | attributes)))
    return options


def add_global_options(command: click.Command) -> click.Command:
    """Let a command and its subcommands take the global options too, without listing them.

    A command that hands unknown options on to another program keeps them all.
    """
    if isinstance(command, click.Group):
        for child in command.commands.values():
            add_global_options(child)
    if command.context_settings.get("ignore_unknown_options"):
        return command
    taken = frozenset(
        flag
        for parameter in command.params
        for flag in (*parameter.opts, *parameter.secondary_opts, parameter.name or "")
    )
    names = {parameter.name for parameter in command.params}
    for option in global_options(taken, hidden=True):
        if option.name not in names:
            command.params.append(option)
    command.epilog = command.epilog or MORE
    return command
