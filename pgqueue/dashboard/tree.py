"""A JSON document as a tree that folds: flat, so that no depth of it can break a template.

What cannot be read as JSON here, as a number with five thousand digits or two thousand levels, is
shown as the text that it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..document import is_too_deep
from ..redaction import HIDDEN, redacted

MOST_TEXT = 256 * 1024
"""Characters of a document that are read; of a longer one the beginning is shown as text."""
MOST_NODES = 2_000
MOST_STRING = 2_000
SHOWN_TEXT = 20_000
OPEN_LEVELS = 2
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Number(str):
    """A number as it was written: reading it might change it, or fail."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A step through the tree. `kind` is open, close, or that of a value: string, number, word."""

    kind: str
    key: str | None = None
    text: str = ""
    unfolded: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A document as it is shown: a tree, or else a text."""

    nodes: list[Node]
    text: str
    cut: bool
    """Whether there is more of it than is shown."""


def show(
    document: str | None, hidden: Sequence[str] = (), length: int | None = None
) -> Shown | None:
    """The tree of a JSON text; None for none. `length` is that of the whole, if it was cut."""
    if document is None:
        return None
    whole = length is None or length <= len(document)
    if whole:
        found = read(document)
        if found is not None:
            nodes = list(_walk(redacted(found.value, hidden), None, 0))
            cut = len(nodes) > MOST_NODES
            return Shown(_closed(nodes[:MOST_NODES]), "", cut or _has_long_strings(nodes))
    if hidden:
        return Shown([], HIDDEN, True)
    return Shown([], document[:SHOWN_TEXT], not whole or len(document) > SHOWN_TEXT)


@dataclass(frozen=True, slots=True)
class Read:
    """A document that could be read; its numbers are as they were written."""

    value: Any


def read(document: str) -> Read | None:
    """None for what is too long, too deep or otherwise beyond us, as half a character is."""
    if len(document) > MOST_TEXT or is_too_deep(document.encode(errors="replace")):
        return None
    try:
        value = json.loads(document, parse_int=Number, parse_float=Number, parse_constant=Number)
        if _SURROGATE.search(document):
            write(value).encode()
    except (ValueError, RecursionError):
        return None
    return Read(value)


def write(value: Any, indent: int | None = 2) -> str:
    """The document as JSON text, numbers as they were written."""
    return "".join(_pieces(value, indent, 0))


def _pieces(value: Any, indent: int | None, level: int) -> Iterator[str]:
    if isinstance(value, Number):
        yield str(value)
        return
    if not isinstance(value, dict | list) or not value:
        yield json.dumps(value, ensure_ascii=False)
        return
    inner = "" if indent is None else "\n" + " " * indent * (level + 1)
    outer = "" if indent is None else "\n" + " " * indent * level
    is_object = isinstance(value, dict)
    yield "{" if is_object else "["
    for number, item in enumerate(value):
        yield ("," if number else "") + (inner or (" " if number else ""))
        if is_object:
            yield json.dumps(item, ensure_ascii=False) + ": "
        yield from _pieces(value[item] if is_object else item, indent, level + 1)
    yield outer + ("}" if is_object else "]")


def _walk(value: Any, key: str | None, level: int) -> Iterator[Node]:
    if isinstance(value, dict | list):
        if not value:
            yield Node("word", key, "{}" if isinstance(value, dict) else "[]")
            return
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        word = "field" if isinstance(value, dict) else "item"
        told = f"{len(value):,} {word}{'' if len(value) == 1 else 's'}"
        yield Node("open", key, told, unfolded=level < OPEN_LEVELS and len(value) <= 50)
        for name, inner in pairs:
            yield from _walk(inner, str(name), level + 1)
        yield Node("close")
    elif isinstance(value, Number):
        yield Node("number", key, str(value)[:MOST_STRING])
    elif isinstance(value, str):
        yield Node("string", key, value[:MOST_STRING] + ("…" if len(value) > MOST_STRING else ""))
    else:
        yield Node("word", key, json.dumps(value))


def _closed(nodes: list[Node]) -> list[Node]:
    """Nodes that were cut off, with an end for each that is open."""
    level = 0
    for node in nodes:
        level += (node.kind == "open") - (node.kind == "close")
    return nodes + [Node("close")] * level


def _has_long_strings(nodes: list[Node]) -> bool:
    return any(len(node.text) >= MOST_STRING for node in nodes)
