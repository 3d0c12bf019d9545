"""Why a decoder refused, in our words: names and types, never values."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .document import NESTED_TOO_DEEPLY, ModelRefused

_PLACE = re.compile(r" - at (`key` in )?`\$(.*)`$", re.DOTALL)
MISMATCH = re.compile(r"expected (.*), got (\w+)$", re.DOTALL)
MISSING = re.compile(r"missing field (.*)$", re.DOTALL)
UNEXPECTED = re.compile(r"unexpected field (.*)$", re.DOTALL)
_WORDS = {"null": "None", "array": "list", "`": ""}


def told(error: Exception) -> tuple[str, str]:
    """Where and why a decoder refused, in our words and without the value."""
    if isinstance(error, RecursionError):
        return "", NESTED_TOO_DEEPLY
    if not isinstance(error, msgspec.ValidationError):
        if isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
            return "", "is malformed"
        return "", f"was refused with {type(error).__name__}"
    message = str(error)
    place = _PLACE.search(message)
    path = place[2] if place else ""
    cause = error.__cause__
    if isinstance(cause, ModelRefused):
        return path + cause.path, cause.problem
    if cause is not None:
        return path, f"was refused with {type(cause).__name__}"
    problem = _in_our_words(message[: place.start()] if place else message)
    return path, f"a key: {problem}" if place and place[1] else problem


def _in_our_words(message: str) -> str:
    if message.startswith("Expected `datetime` with a timezone"):
        return "the datetime has no time zone. Pass an aware one, for example datetime.now(UTC)."
    if message.startswith("Expected "):
        for theirs, ours in _WORDS.items():
            message = message.replace(theirs, ours)
        return "e" + message[1:]
    if message.startswith(("Invalid enum value", "Invalid value")):
        return "is none of the allowed values"
    if message.startswith("Invalid "):
        return f"is no valid {message.removeprefix('Invalid ')}"
    if message.startswith("Object missing required field `"):
        return f"missing field {message[31:-1]}"
    if message.startswith("Object contains unknown field `"):
        return f"unexpected field {shown(message[31:-1])}"
    if "out of range" in message:
        return "is a number out of range"
    return "does not fit the annotation"


def type_at(path: str, bound: Any) -> str | None:
    """The type of the value that the caller passed there, if the path leads to it."""
    value = bound
    for name, index in re.findall(r"\.(\w+)|\[([^\]]*)\]", path):
        try:
            if index:
                value = value[int(index)]
            else:
                value = value[name] if isinstance(value, dict) else getattr(value, name)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return None
    return "None" if value is None else type(value).__name__


def shown(name: str) -> str:
    """A name that somebody made up, safe to print and not endless."""
    return name if name.isidentifier() and len(name) <= 60 else ascii(name[:60])
