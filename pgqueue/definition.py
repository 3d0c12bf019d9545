"""What makes a function a task: its name, its arguments, where it runs, when it is tried again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from .arguments import Arguments
from .bounds import check_duration, check_name, seconds
from .errors import InvalidOption, UsageError
from .redaction import check_paths
from .retry import Exponential, RetryPolicy

RunIn = Literal["loop", "thread", "process"]


@dataclass(frozen=True, slots=True)
class Definition:
    """What the decorator was told: shared by a task and all its variants from `using`."""

    name: str
    aliases: tuple[str, ...]
    function: Callable[..., Any]
    arguments: Arguments
    retry: RetryPolicy
    timeout: timedelta | None
    run_in: RunIn
    redact: tuple[str, ...] = ()
    """Paths of arguments that are not shown, those of the application included."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that jobs of it may carry."""
        return (self.name, *self.aliases)


def define(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    aliases: Iterable[str] = (),
    retry: RetryPolicy | None = None,
    timeout: timedelta | float | None = None,
    run_in: RunIn | None = None,
    redact: Iterable[str] = (),
) -> Definition:
    """Check what can be checked before any job exists. Raises UsageError."""
    if isinstance(function, type) or not hasattr(function, "__qualname__"):
        raise UsageError(f"a task is made of a function, got {type(function).__name__}.")
    first = "cls" if isinstance(function, classmethod) else _first_parameter(function)
    if first in ("self", "cls"):
        raise UsageError(
            f"{function.__qualname__} takes {first}, and a job has no object to pass for it. "
            "Decorate a function that takes a key and finds the object; the job is current_job()."
        )
    chosen = function.__name__ if name is None else name
    check_name(chosen, "task name", 200)
    if isinstance(aliases, str):
        raise InvalidOption(f'aliases is a list of names, got the string "{aliases}".')
    others = tuple(aliases)
    for alias in others:
        check_name(alias, "alias", 200)
    if retry is not None and not callable(retry):
        raise InvalidOption(
            f"retry is a policy such as Exponential(), got {type(retry).__name__}. "
            "The number of attempts is max_attempts=."
        )
    limit = None if timeout is None else seconds(timeout, "timeout")
    if limit is not None:
        check_duration(limit, "timeout")
    arguments = Arguments.of(function, chosen)
    return Definition(
        name=chosen,
        aliases=others,
        function=function,
        arguments=arguments,
        retry=retry or Exponential(),
        timeout=limit,
        run_in=_where(function, run_in),
        redact=check_paths(redact, arguments.names),
    )


def _first_parameter(function: Callable[..., Any]) -> str | None:
    return next(iter(inspect.signature(function).parameters), None)


def _where(function: Callable[..., Any], run_in: RunIn | None) -> RunIn:
    asynchronous = inspect.iscoroutinefunction(function)
    if run_in is None:
        return "loop" if asynchronous else "thread"
    if run_in not in ("loop", "thread", "process"):
        raise InvalidOption(f'run_in is "loop", "thread" or "process", got {run_in!r}.')
    if asynchronous != (run_in == "loop"):
        kind = "an `async def` runs on the loop" if asynchronous else "a `def` cannot run there"
        raise InvalidOption(f'run_in="{run_in}": {kind}.')
    if run_in == "process" and "<locals>" in function.__qualname__:
        raise InvalidOption(
            'run_in="process" needs a function at the top level of a module, '
            "so that the child can import it."
        )
    return run_in
