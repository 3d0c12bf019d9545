"""Which arguments are not for everybody's eyes: paths into them, and what hides the values there.

A path names an argument, and what lies inside of it, separated by dots: "card", "customer.card".
`*` is any one name, or any place of a list: "*.token", "cards.*.number".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from .errors import InvalidOption

HIDDEN = "•••"
LEAST = 4
"""Characters of a string, or digits of a number, from which on it is hidden in texts: shorter ones
stand in any text by chance.
"""


def check_paths(paths: object, names: Iterable[str] | None = None) -> tuple[str, ...]:
    """The paths, if they are some. With the names of arguments, each has to begin with one of them
    or `*`. Raises InvalidOption.
    """
    if isinstance(paths, str) or not isinstance(paths, Iterable):
        raise InvalidOption(f'redact is a list of paths such as ["card"], got {paths!r}.')
    found = tuple(paths)
    known = None if names is None else tuple(names)
    for path in found:
        if not isinstance(path, str) or not all(path.split(".")):
            raise InvalidOption(
                f'redact: {path!r} is no path. Write an argument, as in "card", "customer.card", '
                '"*.token".'
            )
        first = path.partition(".")[0]
        if known is not None and first != "*" and first not in known:
            there = f"There are: {', '.join(known)}." if known else "There are none."
            raise InvalidOption(f'redact: there is no argument "{first}". {there}')
    return found


def redacted(document: object, paths: Sequence[str]) -> object:
    """A JSON document with the values at these paths hidden, and the given one as it was."""
    for path in paths:
        document = _hide(document, path.split("."))
    return document


def redacted_text(text: str, paths: Sequence[str]) -> str:
    """The same for JSON text. What cannot be read is hidden as a whole."""
    if not paths:
        return text
    try:
        return msgspec.json.encode(redacted(msgspec.json.decode(text), paths)).decode()
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return json.dumps(HIDDEN, ensure_ascii=False)


def hiding(text: str, paths: Sequence[str]) -> Callable[[str], str]:
    """What hides the values at these paths of a JSON text wherever they stand in other texts, plain
    or as Python and JSON write them.
    """
    if not paths:
        return str
    try:
        document = msgspec.json.decode(text)
        secrets = {form for path in paths for form in _forms(document, path.split("."))}
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return lambda _: HIDDEN
    if not secrets:
        return str
    longest_first = sorted(secrets, key=len, reverse=True)
    pattern = re.compile("|".join(map(_pattern, longest_first)))
    return lambda shown: pattern.sub(HIDDEN, shown)


def _hide(value: object, path: list[str]) -> object:
    if not path:
        return HIDDEN
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {
            name: _hide(inner, rest) if first in ("*", name) else inner
            for name, inner in value.items()
        }
    if isinstance(value, list) and first == "*":
        return [_hide(inner, rest) for inner in value]
    return value


def _forms(document: Any, path: list[str]) -> Iterator[str]:
    """How the values at a path may stand in a text."""
    for value in _leaves(document, path):
        if isinstance(value, str):
            if len(value) >= LEAST:
                yield value
                yield repr(value)[1:-1]
                yield json.dumps(value)[1:-1]
                yield json.dumps(value, ensure_ascii=False)[1:-1]
        elif sum(map(str.isdigit, repr(value))) >= LEAST:
            yield repr(value)


def _leaves(value: Any, path: list[str]) -> Iterator[Any]:
    """The strings and numbers at a path, or anywhere below it, the names of fields included."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if not path:
                yield name
            if not path or path[0] in ("*", name):
                yield from _leaves(inner, path[1:])
    elif isinstance(value, list):
        if not path or path[0] == "*":
            for inner in value:
                yield from _leaves(inner, path[1:])
    elif not path and value is not None and not isinstance(value, bool):
        yield value


def _pattern(secret: str) -> str:
    """A number is hidden where it stands alone, not inside of a longer one."""
    alone = secret.lstrip("-")[:1].isdigit() and secret[-1:].isdigit()
    return rf"(?<!\d){re.escape(secret)}(?!\d)" if alone else re.escape(secret)
