"""Keys: what jobs have in common when they are counted, ordered, or the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from .bounds import check_name
from .errors import InvalidOption

MOST_KEY_BYTES = 200

Chosen = Callable[[tuple[str, ...]], dict[str, Any]]
"""Gives the values of these arguments of a job, as JSON has them."""


@dataclass(frozen=True, slots=True, init=False)
class By:
    """A key made of arguments of the job: `By("customer_id")`."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)
        if not names or not all(isinstance(name, str) for name in names):
            raise InvalidOption('By() takes names of arguments, as in By("customer_id").')


Key = str | int | UUID | By
"""A string, an integer, a UUID, or arguments of the job. Nothing else has one written form."""


def check_key(key: object, what: str) -> None:
    """A key has one written form, of 1 to 200 bytes."""
    if isinstance(key, By):
        return
    if isinstance(key, bool) or not isinstance(key, str | int | UUID):
        raise InvalidOption(
            f"{what} is a string, an integer, a UUID or By(...), got {type(key).__name__}. "
            "Other types have no single written form."
        )
    check_name(str(key), what, MOST_KEY_BYTES)


def check_value(key: object, what: str) -> None:
    """The same where there is no job whose arguments could make the key."""
    if isinstance(key, By):
        raise InvalidOption(f"{what} is By(...), which names arguments of a job: give the value.")
    check_key(key, what)


def text_of(key: Key, what: str, chosen: Chosen) -> str:
    """The key in its written form: of one argument its value, of several their JSON."""
    if not isinstance(key, By):
        return str(key)
    values = chosen(key.names)
    for name, value in values.items():
        if has_float(value):
            raise InvalidOption(
                f"{what}: argument {name} is a float or has one in it, which has no single "
                "written form. Name other arguments."
            )
    only = next(iter(values.values()))
    if len(values) == 1 and isinstance(only, str | int) and not isinstance(only, bool):
        return checked(str(only), what)
    return checked(json.dumps(list(values.values()), sort_keys=True, ensure_ascii=False), what)


def check_forms(names: Iterable[str], ambiguous: frozenset[str], what: str, instead: str) -> None:
    """A key is made of arguments whose equal values are written in one way. Raises InvalidOption,
    which says what to do `instead`.
    """
    for name in names:
        if name in ambiguous:
            raise InvalidOption(
                f"{what}: argument {name} is of a type whose equal values may be written in "
                f"several ways, such as a float, a datetime or a set. {instead}"
            )


def has_float(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(has_float, value.values()))
    return any(map(has_float, value)) if isinstance(value, list) else isinstance(value, float)


def check_limit_name(name: object) -> None:
    """What the database will take as the name of a limit. Raises InvalidOption."""
    check_name(name, "the name of a limit", MOST_KEY_BYTES)
    if str(name).partition(" ")[0] in ("order", "pause"):
        raise InvalidOption(f'a limit is not named "{name}": at the gate that is a word.')


def check_unkeyed(limit: str) -> None:
    """A limit that is given a key has none in its name."""
    if ":" in limit:
        raise InvalidOption(f'the limit "{limit}" has a key in its name already.')


def bucket(limit: str, text: str) -> str:
    """What one key of a limit is counted as."""
    return checked(f"{limit}:{text}", f"the key of limit {limit}")


def checked(text: str, what: str) -> str:
    check_name(text, what, MOST_KEY_BYTES)
    return text
