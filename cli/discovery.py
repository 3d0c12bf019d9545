"""Finds the application: the PgQueue object that was named, or the only one in the usual files."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from .environment import Setting
from .errors import USAGE, CommandError

if TYPE_CHECKING:
    from pgqueue.application import Application

USUAL = ("pgqueue_app", "jobs", "tasks", "app")
HOW = "name it as module:attribute: -A jobs:app, PGQUEUE_APP, or app in [tool.pgqueue]."


class NoApplication(CommandError):
    """None was named, and the usual files have none."""


def find_application(
    setting: Setting | None, *, project: Path | None = None, traces: bool = False
) -> Application:
    """The application that was named, or the one in this directory; modules of the directory of
    the `project` file can be imported too. With `traces`, tracebacks of imports are shown.

    Raises NoApplication, or CommandError for one that cannot be had.
    """
    _use_this_directory(project)
    if setting is not None:
        return _named(setting, traces)
    several = []
    for name in USUAL:
        if not Path(f"{name}.py").is_file():
            continue
        found = _applications(_import(name, f"{name}.py", traces))
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            several.append(f"{name}.py has {len(found)}: {', '.join(found)}.")
    if several:
        raise CommandError("there is more than one app.", " ".join(several), HOW, exit_code=USAGE)
    raise NoApplication(
        "no app found.",
        f"None of {', '.join(f'{name}.py' for name in USUAL)} in {Path.cwd()} has one.",
        f"{HOW} A new project begins with: pgqueue init",
        exit_code=USAGE,
    )


def name_of(application: Application) -> str:
    """Where an application is found, as `-A` takes it."""
    for name, module in list(sys.modules.items()):
        if name != "__main__" and isinstance(module, ModuleType):
            for attribute, value in vars(module).copy().items():
                if value is application:
                    return f"{name}:{attribute}"
    return "?"


def _use_this_directory(project: Path | None) -> None:
    folders = [str(Path.cwd())]
    if project is not None:
        folders.append(str(project.resolve().parent))
    for folder in reversed(folders):
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)


def _named(setting: Setting, traces: bool) -> Application:
    from pgqueue.application import Application
    from pgqueue.task import Task

    name = setting.value
    module_name, colon, attribute = name.partition(":")
    where = f"(app from {setting.source})"
    if not module_name or (colon and not attribute):
        raise CommandError(f'"{name}" is not the name of an app.', where, HOW, exit_code=USAGE)
    if module_name.endswith(".py"):
        meant = ".".join(part for part in Path(module_name).with_suffix("").parts if part != "/")
        raise CommandError(
            f'"{module_name}" is a file; an app is named by its module.',
            where,
            f"did you mean {meant}{colon}{attribute}?",
            exit_code=USAGE,
        )
    module = _import(module_name, where, traces)
    if not colon:
        return _only(module, module_name, where)
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            close = difflib.get_close_matches(part, dir(found), n=1)
            hint = f"did you mean {module_name}:{close[0]}?" if close else HOW
            raise CommandError(
                f'module "{module_name}" has no "{attribute}".', where, hint, exit_code=USAGE
            )
        found = getattr(found, part)
    if not isinstance(found, Application):
        known = ", ".join(f"{module_name}:{other}" for other in _applications(module))
        kind = "task" if isinstance(found, Task) else type(found).__name__
        raise CommandError(
            f"{name} is not a PgQueue object, it is a {kind}.",
            where,
            f"this module has {known}" if known else HOW,
            exit_code=USAGE,
        )
    return found


def _only(module: ModuleType, name: str, where: str) -> Application:
    found = _applications(module)
    if len(found) == 1:
        return next(iter(found.values()))
    names = f"it has {', '.join(found)}" if found else "it has none"
    raise CommandError(
        f'module "{name}" does not have exactly one PgQueue object: {names}.',
        where,
        HOW,
        exit_code=USAGE,
    )


def _applications(module: ModuleType) -> dict[str, Application]:
    """The PgQueue objects of a module, each once."""
    from pgqueue.application import Application

    found: dict[str, Application] = {}
    for name, value in vars(module).items():
        if isinstance(value, Application) and value not in found.values():
            found[name] = value
    return found


def _import(name: str, where: str, traces: bool) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs any code
        if traces:
            click.echo(traceback.format_exc(), err=True)
        if isinstance(error, ModuleNotFoundError) and error.name in _parents(name):
            raise CommandError(
                f'there is no module "{error.name}".',
                where,
                f"it is looked for in {Path.cwd()} and on PYTHONPATH.",
                exit_code=USAGE,
            ) from None
        raise CommandError(
            f'importing "{name}" failed: {type(error).__name__}: {error}',
            _place(error) or where,
            "the same command with -vv shows the traceback.",
        ) from None


def _parents(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[: count + 1]) for count in range(len(parts))}


def _place(error: BaseException) -> str | None:
    """The last line outside of the import machinery: where to look."""
    if isinstance(error, SyntaxError) and error.filename:
        return f'File "{error.filename}", line {error.lineno}'
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    return f'File "{own[-1].filename}", line {own[-1].lineno}' if len(own) > 1 else None
