"""What workers open before their first job: refused early if it cannot work, named if it fails."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from types import TracebackType
from typing import Any, cast

from .errors import UsageError

Resources = Mapping[str, Any] | None
Lifespan = Callable[[Any], AbstractAsyncContextManager[Resources]]


def check_lifespan(function: Callable[..., Any]) -> Lifespan:
    """The function as one that returns a context manager. Raises UsageError."""
    name = getattr(function, "__name__", "resources")
    try:
        inspect.signature(function).bind(None)
        takes_one = True
    except TypeError:
        takes_one = False
    yields_not = inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function)
    if yields_not or not takes_one:
        raise UsageError(
            f"a lifespan takes the application and yields once: `async def {name}(app): … yield "
            "{…}`, or it returns an async context manager."
        )
    return asynccontextmanager(function) if inspect.isasyncgenfunction(function) else function


class Opened:
    """The resources of one worker process, while it works."""

    def __init__(self, lifespan: Lifespan, application: object) -> None:
        self._lifespan = lifespan
        self._application = application
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Resources:
        with self._named():
            async with AsyncExitStack() as stack:
                found: Any = await stack.enter_async_context(self._lifespan(self._application))
                if not isinstance(found, Mapping | None):
                    kind = type(found).__name__
                    raise UsageError(
                        'a lifespan yields a mapping of resources, as in {"pool": pool}, or None; '
                        f"got {kind}."
                    )
                self._stack = stack.pop_all()
        return cast("Resources", found)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        with self._named(besides=error):
            return await self._stack.__aexit__(kind, error, traceback)

    @contextmanager
    def _named(self, besides: BaseException | None = None) -> Iterator[None]:
        """Errors go on as they are, but say that they come from the lifespan."""
        try:
            yield
        except Exception as error:
            if error is not besides:
                error.add_note(f"raised in the lifespan {_place(self._lifespan)}")
            raise


def _place(lifespan: Lifespan) -> str:
    function = inspect.unwrap(lifespan)
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", repr(function))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name
