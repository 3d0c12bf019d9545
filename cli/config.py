"""`pgqueue config`: every setting, its value, its source."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import click

from .output import print_json_list, print_table
from .session import Session
from .values import SECONDS

_OF_ONE_CALL = ("parent", "dry_run", "once")
"""Flags of the worker that say what one call does, which nobody sets for good."""


@click.command()
@click.pass_obj
def config(session: Session) -> None:
    """Every setting, its value, its source."""
    rows = [*_ours(session), *_of_the_worker()]
    if session.as_json:
        print_json_list([dict(zip(("name", "value", "source"), row, strict=True)) for row in rows])
        return
    shown = [(name, _shown(value), source) for name, value, source in rows]
    print_table(session, ("setting", "value", "source"), shown, "")


def _shown(value: Any) -> Any:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return "–" if value is None else value


def _ours(session: Session) -> list[tuple[str, Any, str]]:
    app = session.app_setting
    rows: list[tuple[str, Any, str]] = [
        ("app", app.value if app else None, app.source if app else "looked for in the usual files"),
        ("dsn", session.shown_dsn, session.dsn_setting.source),
        ("config", _path(session), "--config" if session.config else "nearest with [tool.pgqueue]"),
        ("env_file", session.env_file, "--env-file" if session.env_file else "default"),
        ("timeout", timedelta(seconds=session.timeout), _flag("timeout")),
        ("color", session.wants_color(), _color_source(session)),
        ("yes", session.yes, _flag("yes")),
    ]
    return rows


def _of_the_worker() -> list[tuple[str, Any, str]]:
    """What `pgqueue worker` would use, were it started without flags."""
    from .worker import worker

    context = click.Context(worker, info_name="worker", auto_envvar_prefix="PGQUEUE_WORKER")
    rows: list[tuple[str, Any, str]] = []
    for option in worker.params:
        if not isinstance(option, click.Option) or option.name is None or not option.expose_value:
            continue
        if option.name in _OF_ONE_CALL:
            continue
        variable = f"PGQUEUE_WORKER_{option.name.upper()}"
        if os.environ.get(variable):
            rows.append((f"worker.{option.name}", os.environ[variable], variable))
        else:
            default = option.get_default(context)
            value: Any = default if isinstance(default, str | int | float | bool) else None
            if value is not None and option.type is SECONDS:
                value = timedelta(seconds=value)
            rows.append((f"worker.{option.name}", value, "default"))
    return rows


def _path(session: Session) -> str | None:
    return str(session.configuration.path) if session.configuration.path else None


def _flag(name: str) -> str:
    """Global flags are remembered by the session, which does not know who typed them where."""
    typed = getattr(click.get_current_context().obj, name) != getattr(Session, name)
    return f"--{name}" if typed else "default"


def _color_source(session: Session) -> str:
    if session.color is not None:
        return "--color" if session.color else "--no-color"
    return "NO_COLOR" if os.environ.get("NO_COLOR") else "the terminal"
