"""What a task takes, and how it travels as JSON."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import functools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .document import (
    MOST_LEVELS,
    NESTED_TOO_DEEPLY,
    Unfit,
    decode_other,
    encode,
    is_pydantic_model,
    is_too_deep,
    refuse_foreign,
)
from .errors import InvalidArguments, UsageError
from .job import JobOptions
from .refusal import MISMATCH, MISSING, UNEXPECTED, shown, told, type_at
from .signature import Parameter, Signature, read_signature

_OPTIONS = frozenset(field.name for field in dataclasses.fields(JobOptions))
_ARGUMENTS_HINT = "Store the data in a table of yours and pass its key, or raise max_args_bytes."
_RESULT_HINT = "Store the data in a table of yours and return its key, or raise max_result_bytes."


class Arguments:
    """The arguments of one task, bound, checked, and carried as one JSON object `{name: value}`.

    Only what the caller passed is stored. Defaults are the function's own when the job runs, so a
    parameter with a default may be added while jobs are waiting, and need not be JSON itself.
    """

    def __init__(self, name: str, signature: Signature) -> None:
        self.name = name
        self.signature_text = signature.text
        self._returns = signature.returns
        self._parameters = {parameter.name: parameter for parameter in signature.parameters}
        self._positional = tuple(p.name for p in signature.parameters if not p.is_keyword_only)
        self._keyword_only = tuple(p.name for p in signature.parameters if p.is_keyword_only)
        self._untyped = tuple(p.name for p in signature.parameters if p.is_untyped)
        self._bind = _binding(name, signature.parameters)
        self._call = _call(name, signature.parameters)
        self._decode = msgspec.json.Decoder(self._call, dec_hook=decode_other).decode
        self._decode_result = msgspec.json.Decoder(self._returns, dec_hook=decode_other).decode

    @classmethod
    def of(cls, function: Callable[..., Any], name: str) -> Arguments:
        """What task `name` takes. Raises `UsageError` for types that cannot travel as JSON."""
        return cls(name, read_signature(function, name))

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, max_bytes: int) -> str:
        """The arguments of a call as JSON that this task will decode and PostgreSQL will store.

        Where the annotation says nothing, only what JSON has may be passed: str, int, float, bool,
        None, lists, tuples (which arrive as lists) and dicts with string keys.

        Raises `InvalidArguments`, whose message shows names and types but no values.
        """
        try:
            bound = self._bind(*args, **kwargs)
        except TypeError:
            raise InvalidArguments(self._with_signature(self._misbound(args, kwargs))) from None
        try:
            text = encode(bound, max_bytes, hint=_ARGUMENTS_HINT)
        except Unfit as unfit:
            raise InvalidArguments(self._blame(unfit.path, unfit.problem)) from None
        try:
            call = self._decode(text)
        except Exception as error:  # noqa: BLE001 - classes of users are built here
            raise InvalidArguments(self._misfit(error, bound)) from None
        for name in self._untyped:
            passed = getattr(bound, name)
            if passed is not msgspec.UNSET and passed != getattr(call, name):
                self._check_untyped(name, passed)
        return text.decode()

    @property
    def names(self) -> tuple[str, ...]:
        """What the arguments are called."""
        return tuple(self._parameters)

    @property
    def ambiguous(self) -> frozenset[str]:
        """The arguments of which no key can be made, as equal values may be written differently."""
        return frozenset(p.name for p in self._parameters.values() if p.is_ambiguous)

    def chosen(self, text: str, names: tuple[str, ...]) -> dict[str, Any]:
        """The values of some arguments of a stored call, as JSON has them. What was not passed has
        its default. Raises `InvalidArguments` when that is not JSON.
        """
        stored = msgspec.json.decode(text)
        values: dict[str, Any] = {}
        for name in names:
            try:
                default = self._parameters[name].default
                values[name] = (
                    stored[name] if name in stored else msgspec.to_builtins(default, str_keys=True)
                )
            except (TypeError, ValueError):
                problem = "its default is not JSON, so no key can be made of it. Pass a value."
                raise InvalidArguments(self._blame(f".{name}", problem)) from None
        return values

    def decode(self, text: str | bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The typed values of a stored call, for `function(*args, **kwargs)`.

        Raises `InvalidArguments`, whatever the text is.
        """
        try:
            values = msgspec.structs.astuple(self._decode(text))
        except Exception as error:  # noqa: BLE001 - classes of users are built here
            raise InvalidArguments(self._misfit(error)) from None
        if len(text) > MOST_LEVELS and is_too_deep(_as_bytes(text)):
            raise InvalidArguments(self._blame(None, NESTED_TOO_DEEPLY))
        if not self._keyword_only:
            return values, {}
        first = len(self._positional)
        return values[:first], dict(zip(self._keyword_only, values[first:], strict=True))

    def encode_result(self, value: Any, *, max_bytes: int) -> str | None:
        """What the task returned as JSON; None when it returned None, for then nothing is kept.

        Raises `UsageError` if it cannot be stored or does not fit the return annotation.
        """
        if value is None:
            return None
        try:
            text = encode(value, max_bytes, hint=_RESULT_HINT)
        except Unfit as unfit:
            whole = unfit.path is None
            where = "the JSON of the result" if whole else f"result{unfit.path}:"
            raise UsageError(f"{self.name}: {where} {unfit.problem}") from None
        self.decode_result(text)
        return text.decode()

    def decode_result(self, text: str | bytes | None) -> Any:
        """What the task returned, typed by its return annotation. Raises `UsageError`."""
        if text is None:
            return None
        try:
            return self._decode_result(text)
        except Exception as error:  # noqa: BLE001 - classes of users are built here
            path, problem = told(error)
            raise UsageError(f"{self.name}: result{path}: {problem}") from None

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments object."""
        models: dict[str, Any] = {}

        def schema_of_model(kind: Any) -> dict[str, Any]:
            if not is_pydantic_model(kind):
                raise NotImplementedError
            schema: dict[str, Any] = kind.model_json_schema()
            models.update(schema.pop("$defs", {}))
            return schema

        shown = _call(self.name, tuple(self._parameters.values()), with_defaults=False)
        schema = msgspec.json.schema(shown, schema_hook=schema_of_model)
        if models:
            schema.setdefault("$defs", {}).update(models)
        return schema

    def _check_untyped(self, name: str, passed: Any) -> None:
        """Nothing can turn JSON back into a type that is not named, so refuse what changes."""
        try:
            refuse_foreign(passed, "Name the type in the annotation, or pass what JSON has.")
        except Unfit as unfit:
            raise InvalidArguments(self._blame(f".{name}{unfit.path}", unfit.problem)) from None

    # Telling what is wrong.

    def _with_signature(self, problem: str) -> str:
        return f"{self.name}: {problem}\n  signature: {self.signature_text}"

    def _blame(self, path: str | None, problem: str) -> str:
        """A sentence about the argument that `path` starts with, or about all of them."""
        if not path:
            return f"{self.name}: the JSON of the arguments {problem}"
        return f"{self.name}: argument {path[1:]}: {problem}"

    def _misbound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        most = len(self._positional)
        if len(args) > most:
            return f"takes {most} positional {_arguments(most)}, got {len(args)}"
        for name in kwargs:
            if name not in self._parameters:
                return self._unexpected(shown(name))
        given = self._positional[: len(args)]
        for name in given:
            if name in kwargs:
                return f"argument {name} is given twice, by position and by name"
        required = (p.name for p in self._parameters.values() if p.is_required)
        missing = [name for name in required if name not in given and name not in kwargs]
        return f"missing {_arguments(len(missing))} {', '.join(missing)}"

    def _unexpected(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._parameters, n=1)
        suggestion = f". Did you mean {close[0]}?" if close else ""
        if name in _OPTIONS:
            suggestion = f". Options of the job go before: .using({name}=...).enqueue(...)"
        return f"unexpected argument {name}{suggestion}"

    def _misfit(self, error: Exception, bound: Any = None) -> str:
        """Why the decoder refused; with `bound`, in terms of what the caller passed."""
        path, problem = told(error)
        if not path:
            if field := MISSING.match(problem):
                return f"{self.name}: missing argument {field[1]}"
            if field := UNEXPECTED.match(problem):
                return f"{self.name}: {self._unexpected(field[1])}"
            return self._blame("", problem)
        if mismatch := MISMATCH.match(problem):
            problem = self._mismatch(path, mismatch[1], mismatch[2], bound)
        return self._blame(path, problem)

    def _mismatch(self, path: str, expected: str, got: str, bound: Any) -> str:
        parameter = self._parameters.get(path[1:])
        if parameter is not None and "Annotated" not in parameter.annotation_text:
            expected = parameter.annotation_text
        if bound is None:
            return f"expected {expected}, got {got}"
        got = type_at(path, bound) or got
        if got == "None":
            return f"expected {expected}, got None. Did you forget session.flush()?"
        return f"expected {expected}, got {got}\n  signature: {self.signature_text}"


def _arguments(count: int) -> str:
    return "argument" if count == 1 else "arguments"


def _binding(name: str, parameters: tuple[Parameter, ...]) -> type[msgspec.Struct]:
    """A class that takes the arguments as the function does, and leaves out what was not passed."""

    def fields(keyword_only: bool) -> list[Any]:
        return [
            (p.name, Any) if p.is_required else (p.name, Any, msgspec.UNSET)
            for p in parameters
            if p.is_keyword_only is keyword_only
        ]

    keywords = msgspec.defstruct(name, fields(True), kw_only=True)
    return msgspec.defstruct(name, fields(False), bases=(keywords,))


def _call(
    name: str, parameters: tuple[Parameter, ...], *, with_defaults: bool = True
) -> type[msgspec.Struct]:
    """A class of the typed values of a call. Mutable defaults are copied for each call."""
    fields: list[Any] = []
    for p in parameters:
        if p.is_required:
            fields.append((p.name, p.annotation))
        elif not with_defaults:
            fields.append((p.name, p.annotation, msgspec.UNSET))
        elif isinstance(p.default, list | dict | set | bytearray):
            factory = functools.partial(copy.deepcopy, p.default)
            fields.append((p.name, p.annotation, msgspec.field(default_factory=factory)))
        else:
            fields.append((p.name, p.annotation, p.default))
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)


def _as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
