"""What a function's signature says about its arguments, in types that can be checked."""

from __future__ import annotations

import collections.abc
import inspect
import json
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Never, NoReturn, Union, get_args, get_origin, get_type_hints

import msgspec
import msgspec.inspect

from .document import is_pydantic_model
from .errors import UsageError

NO_DEFAULT = inspect.Parameter.empty
_CONTAINERS = (
    list,
    dict,
    tuple,
    set,
    frozenset,
    collections.abc.Collection,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Set,
    collections.abc.MutableSet,
    collections.abc.Mapping,
    collections.abc.MutableMapping,
)
_PLAIN = (
    msgspec.inspect.AnyType,
    msgspec.inspect.NoneType,
    msgspec.inspect.BoolType,
    msgspec.inspect.IntType,
    msgspec.inspect.FloatType,
    msgspec.inspect.StrType,
    msgspec.inspect.ListType,
    msgspec.inspect.DictType,
    msgspec.inspect.UnionType,
)
_AMBIGUOUS = (
    msgspec.inspect.FloatType,
    msgspec.inspect.DecimalType,
    msgspec.inspect.DateTimeType,
    msgspec.inspect.TimeType,
    msgspec.inspect.SetType,
    msgspec.inspect.FrozenSetType,
    msgspec.inspect.CustomType,
)
"""Types whose equal values may be written in several ways, or in an order of their own."""
_MODULES = re.compile(r"(?:\b[A-Za-z_]\w*\.|<locals>\.)+")
_TOO_LONG = 40


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a task. `is_untyped` says that the annotation leaves room for anything,
    `is_ambiguous` that equal values may be written in several ways.
    """

    name: str
    annotation: Any
    annotation_text: str
    default: Any
    is_keyword_only: bool
    is_untyped: bool
    is_ambiguous: bool

    @property
    def is_required(self) -> bool:
        return self.default is NO_DEFAULT


@dataclass(frozen=True, slots=True)
class Signature:
    """What a task takes and returns. `text` is as it would be written in a stub file."""

    parameters: tuple[Parameter, ...]
    returns: Any
    text: str


def read_signature(function: Callable[..., Any], task: str) -> Signature:
    """The signature of `function`. Raises `UsageError` for what cannot travel as JSON."""
    declared = inspect.signature(function)
    hints = _resolve(function, task)
    parameters = tuple(
        _read(declared.parameters[name], hints, task) for name in declared.parameters
    )
    returns = hints.get("return", Any)
    if returns in (NoReturn, Never, object):
        returns = Any
    _check(returns, f"{task}: its result")
    return Signature(parameters, returns, f"{task}({_text_of(declared, hints)})")


def _read(declared: inspect.Parameter, hints: dict[str, Any], task: str) -> Parameter:
    name = declared.name
    if declared.kind in (declared.VAR_POSITIONAL, declared.VAR_KEYWORD):
        stars = "*" if declared.kind is declared.VAR_POSITIONAL else "**"
        instead = "list[...]" if stars == "*" else "dict[str, ...]"
        raise UsageError(
            f"{task}: {stars}{name} has no names to store the arguments under. "
            f"Take one argument instead: {name}: {instead}."
        )
    if name.startswith("__"):
        raise UsageError(
            f"{task}: argument {name}: names with two underscores are reserved. Rename it."
        )
    written = hints.get(name, Any)
    annotation = with_zones(written)
    info = _check(annotation, f"{task}: argument {name}")
    found = list(_nodes(info))
    return Parameter(
        name,
        annotation,
        text_of_annotation(written),
        declared.default,
        declared.kind is declared.KEYWORD_ONLY,
        is_untyped=all(isinstance(node, _PLAIN) for node in found)
        and any(isinstance(node, msgspec.inspect.AnyType) for node in found),
        is_ambiguous=any(isinstance(node, _AMBIGUOUS) for node in found),
    )


def _resolve(function: Callable[..., Any], task: str) -> dict[str, Any]:
    target = inspect.unwrap(function)
    try:
        return get_type_hints(target, include_extras=True)
    except Exception as error:  # noqa: BLE001 - evaluating an annotation may raise anything
        where = _unresolved(target)
        raise UsageError(
            f"{task}: {where} cannot be resolved: {error}. "
            "Define or import the type where the module's own code can see it, "
            "not inside a function or under TYPE_CHECKING."
        ) from None


def _unresolved(target: Any) -> str:
    """Which annotation it is that raises."""
    for name, annotation in getattr(target, "__annotations__", {}).items():
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            get_type_hints(alone, globalns=getattr(target, "__globals__", {}))
        except Exception:  # noqa: BLE001 - evaluating an annotation may raise anything
            return (
                "the annotation of its result" if name == "return" else f"the annotation of {name}"
            )
    return "an annotation"


def _check(annotation: Any, what: str) -> msgspec.inspect.Type:
    """What msgspec makes of an annotation. Raises `UsageError` for types that it cannot carry."""
    try:
        info = msgspec.inspect.type_info(annotation)
        msgspec.json.Decoder(annotation)
    except Exception as error:  # noqa: BLE001 - msgspec asks the user's classes
        reason = _MODULES.sub("", str(error).replace("`", ""))
        raise UsageError(f"{what} cannot travel as JSON. {reason}.") from None
    for node in _nodes(info):
        if isinstance(node, msgspec.inspect.CustomType) and not is_pydantic_model(node.cls):
            raise UsageError(
                f"{what}: values of type {text_of_annotation(node.cls)} cannot travel as JSON. "
                "Use a key and look the object up, or a dataclass, msgspec Struct, TypedDict, "
                "attrs class or pydantic model."
            )
    return info


def _nodes(info: Any) -> Iterator[Any]:
    """Every type inside a type; recursive types are visited once."""
    waiting, seen = [info], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            waiting.extend(node)
        elif isinstance(node, msgspec.Struct) and id(node) not in seen:
            seen.add(id(node))
            if isinstance(node, msgspec.inspect.Type):
                yield node
            waiting.extend(getattr(node, name) for name in node.__struct_fields__)


def with_zones(annotation: Any) -> Any:
    """The annotation with naive datetimes forbidden, wherever it does not say otherwise itself.

    Fields of classes are left as they are: there `Annotated[datetime, Meta(tz=True)]` says it.
    """
    if annotation is datetime:
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if annotation is object:
        return Any
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        says_itself = any(isinstance(m, msgspec.Meta) and m.tz is not None for m in inner[1:])
        first = inner[0] if says_itself else with_zones(inner[0])
        return Annotated[(first, *inner[1:])]
    if origin in (Union, types.UnionType):
        return Union[tuple(with_zones(one) for one in inner)]  # noqa: UP007 - | cannot join a tuple
    if origin in _CONTAINERS and inner:
        return origin[tuple(with_zones(one) for one in inner)]
    return annotation


def text_of_annotation(annotation: Any) -> str:
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return _MODULES.sub("", repr(annotation))


def _text_of(declared: inspect.Signature, hints: dict[str, Any]) -> str:
    words: list[str] = []
    kinds = [parameter.kind for parameter in declared.parameters.values()]
    for place, parameter in enumerate(declared.parameters.values()):
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.kind not in kinds[:place]:
            words.append("*")
        words.append(_text_of_parameter(parameter, hints))
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.kind not in kinds[place + 1 :]:
            words.append("/")
    return ", ".join(words)


def _text_of_parameter(parameter: inspect.Parameter, hints: dict[str, Any]) -> str:
    text, equals = parameter.name, "="
    if parameter.name in hints:
        text, equals = f"{text}: {text_of_annotation(hints[parameter.name])}", " = "
    if parameter.default is NO_DEFAULT:
        return text
    default = parameter.default
    shown = json.dumps(default, ensure_ascii=False) if isinstance(default, str) else repr(default)
    return f"{text}{equals}{shown if len(shown) <= _TOO_LONG else '...'}"
