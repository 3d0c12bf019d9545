"""The arguments of a task as a form, made from the JSON Schema that its workers declared.

What has no simple field is typed as JSON. What comes back is checked as far as the schema is
simple; the worker checks all of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..document import MOST_LEVELS
from ..redaction import HIDDEN
from .tree import Number, read, write

PREFIX = "arg."
MOST_FIELDS = 60
MOST_REFERENCES = 10
"""Definitions that a rule leads through: a schema may go round in a circle."""
_KINDS = {"string": "text", "integer": "number", "number": "number", "boolean": "boolean"}
_WORDS = {"text": "a text", "number": "a number", "boolean": "true or false", "json": "JSON"}


class ArgumentError(ValueError):
    """What is wrong with the arguments, for whoever typed them."""


@dataclass(frozen=True, slots=True)
class Field:
    """One argument. `kind` is text, number, boolean, choice or json."""

    name: str
    kind: str
    is_required: bool
    hint: str
    choices: tuple[str, ...] = ()
    value: str = ""


def fields_of(schema: Any, values: Mapping[str, Any] | None = None) -> list[Field] | None:
    """The fields of a form; None where the schema gives none, and JSON has to be typed."""
    defined = schema.get("$defs") if isinstance(schema, dict) else None
    whole = _resolved(schema, defined)
    properties = whole.get("properties")
    if not isinstance(properties, dict) or len(properties) > MOST_FIELDS:
        return None
    if whole.get("additionalProperties") not in (None, False):
        return None
    required = whole.get("required")
    given = values or {}
    if any(name not in properties for name in given):
        return None
    demanded = required if isinstance(required, list) else []
    fields = [
        _field(name, _resolved(rule, defined), name in demanded, given)
        for name, rule in properties.items()
    ]
    return sorted(fields, key=lambda field: not field.is_required)


def _resolved(rule: Any, defined: Any) -> dict[str, Any]:
    """A rule, and what it refers to: {"$ref": "#/$defs/Currency"} is what Currency is."""
    found: dict[str, Any] = {}
    for _ in range(MOST_REFERENCES):
        if not isinstance(rule, dict):
            break
        found = rule | found
        target = rule.get("$ref")
        if not isinstance(target, str) or not isinstance(defined, dict):
            break
        rule = defined.get(target.removeprefix("#/$defs/"))
    return found


def _field(name: str, rule: dict[str, Any], is_required: bool, given: Mapping[str, Any]) -> Field:
    choices = rule.get("enum")
    simple = isinstance(choices, list) and all(isinstance(one, str) for one in choices)
    kind = "choice" if simple and choices else _kind(rule)
    hint = str(rule.get("description") or _default(rule) or "")
    value = _typed(given[name], kind) if name in given else ""
    if kind == "text" and name in given and not isinstance(given[name], str):
        kind, value = "json", write(given[name])
    known = tuple(choices) if kind == "choice" and isinstance(choices, list) else ()
    return Field(name, kind, is_required, hint, known, value)


def _kind(rule: Mapping[str, Any]) -> str:
    kind = rule.get("type")
    return _KINDS.get(kind, "json") if isinstance(kind, str) else "json"


def _default(rule: Mapping[str, Any]) -> str:
    if "default" not in rule:
        return ""
    return f"Left out: {json.dumps(rule['default'], ensure_ascii=False)[:100]}"


def _typed(value: Any, kind: str) -> str:
    return (
        str(value)
        if kind in ("text", "choice", "number") and isinstance(value, str)
        else write(value)
    )


def arguments_from(fields: Sequence[Field], given: Mapping[str, str]) -> dict[str, Any]:
    """What was typed into the fields. An empty one is left out, unless it must be there. Raises
    ArgumentError.
    """
    found = {}
    for field in fields:
        text = given.get(PREFIX + field.name, "")
        if not text and (field.kind != "text" or not field.is_required):
            if field.is_required:
                raise ArgumentError(f"{field.name} is missing.")
            continue
        found[field.name] = _read_field(field, text)
    return found


def _read_field(field: Field, text: str) -> Any:
    if text == HIDDEN:
        return text
    if field.kind in ("text", "choice"):
        if field.choices and text not in field.choices:
            raise ArgumentError(f"{field.name} is one of {', '.join(field.choices)}.")
        return text.replace("\r\n", "\n")
    value = _json(text, field.name)
    fits = {
        "number": isinstance(value, Number),
        "boolean": isinstance(value, bool),
        "json": True,
    }[field.kind]
    if not fits:
        raise ArgumentError(f"{field.name} is {_WORDS[field.kind]}.")
    return value


def arguments_from_json(text: str) -> dict[str, Any]:
    """A JSON object that was typed as a whole. Raises ArgumentError."""
    value = _json(text or "{}", "Arguments")
    if not isinstance(value, dict):
        raise ArgumentError('Arguments are a JSON object such as {"user_id": 42}.')
    return value


def _json(text: str, what: str) -> Any:
    found = read(text)
    if found is None:
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}: {error.msg}"
            raise ArgumentError(f"{what}: this is no JSON; {where}.") from None
        except (ValueError, RecursionError):
            pass
        raise ArgumentError(
            f"{what}: too long, more than {MOST_LEVELS} levels deep, or with half a character."
        )
    return found.value


def restored(value: Any, original: Any) -> Any:
    """What was hidden on the form, and left as it was, from the job that it came from."""
    if isinstance(value, dict) and isinstance(original, dict):
        return {name: restored(inner, original.get(name)) for name, inner in value.items()}
    if isinstance(value, list) and isinstance(original, list):
        padded = [*original, *[None] * (len(value) - len(original))]
        return [restored(inner, before) for inner, before in zip(value, padded, strict=False)]
    return original if value == HIDDEN and original is not None else value
