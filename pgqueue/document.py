"""What may stand in a JSON document that goes to PostgreSQL, and how Python values get into one.

Everything that PostgreSQL would refuse is found here first, so that no transaction is broken by it.
Problems are told by path and type, never by value: arguments may be secrets.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec

from .errors import InvalidOption

MOST_LEVELS = 100
"""How deep a document may nest; the root is level 0. The SQL function `check_args` agrees."""

_MOST_GROWTH = 330  # bytes: 1e308 takes 5 here, but PostgreSQL prints numbers in full.
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NUMBER_THAT_GROWS = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+|-0\.0(?![0-9])")
_FINITE = frozenset({str, int, bool, type(None)})
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NO_BRACKET_OR_QUOTE = bytes(set(range(256)) - set(b'[]{}"'))
_ONE_KIND_OF_BRACKET = bytes.maketrans(b"{}", b"[]")

NESTED_TOO_DEEPLY = (
    f"is nested more than {MOST_LEVELS} levels deep, or contains itself. "
    "Flatten the data, or pass it as a string."
)


class Unfit(ValueError):
    """Why a value cannot stand in a document, and where: `path` is like `.lines[2].price`.

    The path is empty for the root, and None when it is the document as a whole that does not fit.
    """

    def __init__(self, path: str | None, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem


class ModelRefused(ValueError):
    """A pydantic model refused the data, told without the data."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(problem)
        self.path = path
        self.problem = problem


def encode_object(value: Any, what: str, *, max_bytes: int) -> str:
    """A mapping as the text of a JSON object that PostgreSQL will store. Raises `InvalidOption`.

    It must consist of what JSON has, so that it comes back as it is (tuples come back as lists).
    """
    if not isinstance(value, Mapping):
        raise InvalidOption(f"{what} is a dict, got {type(value).__name__}.")
    try:
        document = dict(value)
        text = encode(document, max_bytes, hint="Store the data in a table of yours.")
        refuse_foreign(document, "Pass what JSON has, for example str(value).")
    except Unfit as unfit:
        place = what if unfit.path is None else f"{what}{unfit.path}:"
        raise InvalidOption(f"{place} {unfit.problem}") from None
    return text.decode()


def encode(value: Any, max_bytes: int, *, hint: str) -> bytes:
    """`value` as compact JSON. Raises `Unfit`."""
    try:
        text = _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _why_not_encoded(value, error) from None
    if b"\\u0000" in text and _NUL.search(text):
        raise _found(value, _has_nul, _NUL_PROBLEM)
    check_shape(text, max_bytes, hint=hint)
    if b"null" in text and _has_not_finite(value):
        _refuse_not_finite(value)
    return text


def check_shape(text: bytes, max_bytes: int, *, hint: str) -> None:
    """Refuse compact JSON that is nested too deeply or is longer than `max_bytes` once stored."""
    if is_too_deep(text):
        raise Unfit(None, NESTED_TOO_DEEPLY)
    numbers = 1 + text.count(b",") + text.count(b":") + text.count(b"[")
    if len(text) + numbers * _MOST_GROWTH > max_bytes:
        size = len(text) + _growth(_STRING.sub(b"", text))
        if size > max_bytes:
            raise Unfit(None, f"takes {size} bytes, at most {max_bytes} are allowed. {hint}")


def _growth(outline: bytes) -> int:
    """How many bytes more the document takes when PostgreSQL prints it."""
    spaces = outline.count(b",") + outline.count(b":")
    numbers = (match[0] for match in _NUMBER_THAT_GROWS.finditer(outline))
    return spaces + sum(
        -1 if number == b"-0.0" else len(format(Decimal(number.decode()), "f")) - len(number)
        for number in numbers
    )


def is_too_deep(text: bytes) -> bool:
    """Whether a JSON document is nested too deeply, which some Pythons would not mind."""
    if text.count(b"{") + text.count(b"[") <= MOST_LEVELS:
        return False
    if b"\\" in text:
        text = _STRING.sub(b"0", text)
    text = text.replace(b"[]", b"0").replace(b"{}", b"0")
    brackets = text.translate(_ONE_KIND_OF_BRACKET, _NO_BRACKET_OR_QUOTE).replace(b'""', b"")
    if b'"' in brackets:
        brackets = _STRING.sub(b"", brackets)
    level = 0
    while brackets and level <= MOST_LEVELS:
        brackets = brackets.replace(b"[]", b"")
        level += 1
    return level > MOST_LEVELS


# Looking for the culprit: slow, and only when something is wrong or looks so.


def _why_not_encoded(value: Any, error: Exception) -> Unfit:
    for path, leaf in walk(value):
        try:
            _encoder.encode({leaf.key: None} if isinstance(leaf, Key) else leaf)
        except (TypeError, ValueError, OverflowError) as reason:
            return Unfit(path, _problem_of(leaf, reason))
    if isinstance(error, RecursionError):
        return Unfit(None, NESTED_TOO_DEEPLY)
    return Unfit(None, f"cannot be stored as JSON ({type(error).__name__}).")


def _problem_of(leaf: Any, reason: Exception) -> str:
    if isinstance(reason, UnicodeEncodeError):
        return (
            "contains a lone surrogate, which is not valid Unicode and PostgreSQL cannot store. "
            'Remove it, for example with text.encode(errors="replace").decode().'
        )
    if isinstance(leaf, int):
        return "has more digits than JSON numbers may have here. Pass it as a string."
    if isinstance(leaf, Key):
        return f"keys of type {type(leaf.key).__name__} cannot be stored as JSON. Use strings."
    return (
        f"a value of type {type(leaf).__name__} cannot be stored as JSON. "
        "Pass a key and look the object up in the task."
    )


def _has_not_finite(node: Any) -> bool:
    """Whether there is a NaN or Infinity, found fast because documents with nulls are common."""
    kind: Any = type(node)
    if kind in _FINITE:
        return False
    if kind is float:
        return not math.isfinite(node)
    if kind is dict:
        return any(map(_has_not_finite, node.values()))
    if kind is list or kind is tuple:
        return any(map(_has_not_finite, node))
    names = _field_names(kind)
    if names is not None:
        return any(_has_not_finite(getattr(node, name, None)) for name in names)
    parts = parts_of(node)
    if parts is None:
        return isinstance(node, float) and not math.isfinite(node)
    return any(_has_not_finite(part) for _, part in parts)


def _refuse_not_finite(value: Any) -> None:
    for path, leaf in walk(value, into_models=True):
        if isinstance(leaf, float) and not math.isfinite(leaf):
            name = "NaN" if math.isnan(leaf) else "Infinity"
            raise Unfit(path, f"{name} is not JSON. Pass None or a string instead.")


_NUL_PROBLEM = "contains a NUL character (\\u0000), which PostgreSQL cannot store. Remove it."


def _has_nul(leaf: Any) -> bool:
    text = leaf.key if isinstance(leaf, Key) else leaf
    return isinstance(text, str) and "\x00" in text


def _found(value: Any, test: Callable[[Any], bool], problem: str) -> Unfit:
    places = (path for path, leaf in walk(value, into_models=True) if test(leaf))
    return Unfit(next(places, None), problem)


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """A key of a dict, as `walk` meets it."""

    key: Any


def walk(value: Any, *, into_models: bool = False, json: bool = False) -> Iterator[tuple[str, Any]]:
    """Every leaf of a tree of values with its path, and every key of its dicts.

    A pydantic model is one leaf unless asked for otherwise: it knows types that we do not. With
    `json`, so is every container but lists, tuples and dicts.
    """
    waiting = [("", value)]
    seen: set[int] = set()
    while waiting:
        path, node = waiting.pop()
        parts = parts_of(node) if not json or isinstance(node, list | tuple | dict) else None
        if parts is None or (is_pydantic_model(type(node)) and not into_models):
            yield path, node
        elif id(node) not in seen:
            seen.add(id(node))
            if isinstance(node, dict):
                yield from ((path, Key(key)) for key in node)
            waiting.extend(reversed([(path + step, part) for step, part in parts]))


def parts_of(node: Any) -> list[tuple[str, Any]] | None:
    """The parts of a container with the step that leads to each; None for a leaf."""
    if isinstance(node, dict):
        return [(step_to(key), part) for key, part in node.items()]
    if isinstance(node, list | tuple | set | frozenset):
        return [(f"[{index}]", part) for index, part in enumerate(node)]
    kind: Any = type(node)
    names = _field_names(kind)
    if names is None and is_pydantic_model(kind):
        names = tuple(vars(node))
    return None if names is None else [(f".{name}", getattr(node, name, None)) for name in names]


@functools.lru_cache(maxsize=1000)
def _field_names(kind: type) -> tuple[str, ...] | None:
    """The names of the fields of a Struct, dataclass or attrs class."""
    if issubclass(kind, msgspec.Struct):
        names: tuple[str, ...] = kind.__struct_fields__
        return names
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    if hasattr(kind, "__attrs_attrs__"):
        return tuple(field.name for field in kind.__attrs_attrs__)
    return None


def refuse_foreign(value: Any, cure: str) -> None:
    """Refuse what JSON does not have: it would come back as something else. Raises `Unfit`."""
    for path, leaf in walk(value, json=True):
        kind = type(leaf.key if isinstance(leaf, Key) else leaf).__name__
        if isinstance(leaf, Key) and not isinstance(leaf.key, str):
            raise Unfit(path, f"keys of type {kind} would come back as strings. {cure}")
        if not isinstance(leaf, Key | str | int | float | None):
            raise Unfit(path, f"a {kind} would come back as something else. {cure}")


def step_to(key: Any) -> str:
    """A key is shown when it looks like a field's name; other keys may be data."""
    return f".{key}" if isinstance(key, str) and key.isidentifier() and len(key) <= 50 else "[...]"


def is_pydantic_model(kind: Any) -> bool:
    """Pydantic is never imported from here: who has a model has imported it."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def _encode_other(value: Any) -> Any:
    if not is_pydantic_model(type(value)):
        raise TypeError("unsupported type")
    try:
        text = value.__pydantic_serializer__.to_json(value, by_alias=True, round_trip=True)
    except Exception as error:
        raise TypeError("unserialisable model") from error
    return msgspec.Raw(text)


def decode_other(kind: type, data: Any) -> Any:
    """Hook for decoders: the instance of a pydantic model that `data` describes."""
    pydantic = sys.modules["pydantic"]
    try:
        return cast(Any, kind).model_validate_json(_encoder.encode(data))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = "".join(
            f"[{step}]" if isinstance(step, int) else step_to(step) for step in first["loc"]
        )
        by_hand = first["type"] in ("value_error", "assertion_error")
        problem = "refused by a validator" if by_hand else first["msg"]
        raise ModelRefused(path, f"{problem} ({kind.__name__})") from None
    except Exception as error:  # noqa: BLE001 - a validator may raise anything
        raise ModelRefused("", f"refused with {type(error).__name__} ({kind.__name__})") from None


_encoder = msgspec.json.Encoder(enc_hook=_encode_other)
