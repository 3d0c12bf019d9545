"""What `@app.task(...)` is to a type checker."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from .task import AsyncTask, SyncTask

P = ParamSpec("P")
R = TypeVar("R")


class Decorator(Protocol):
    """It keeps the signature of what it decorates."""

    # Every coroutine function is a function too; the first overload that fits is the right one.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...
