"""The language of the search box: `state:dead queue:email task:send_* args.user.id:42 "words"`.

One parser reads it; `condition` makes SQL of what it finds.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from .moments import parse_moment

STATES = (
    *("queued", "running", "scheduled", "retrying", "blocked"),
    *("succeeded", "dead", "cancelled"),
)
FIELDS = ("state", "queue", "task", "tag", "id", "error", "worker", "after", "before")
DOCUMENTS = ("args", "meta")
"""Fields that are followed by a path: args.user.id."""
LONGEST = 1000
MOST_TERMS = 30
MOST_STEPS = 10
LARGEST_ID = 2**63 - 1


class SearchError(ValueError):
    """What cannot be understood, and where it stands in the text."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end


@dataclass(frozen=True, slots=True)
class Term:
    """One condition as it was typed: a field with a value, or words without one (field "")."""

    field: str
    value: str
    path: tuple[str, ...]
    raw: str


@dataclass(frozen=True, slots=True)
class Search:
    """Terms of one field are alternatives, but for tags and words: a job has all of these."""

    text: str
    terms: tuple[Term, ...]

    def values(self, field: str) -> list[str]:
        return [term.value for term in self.terms if term.field == field]

    @property
    def states(self) -> tuple[str, ...]:
        """The states that are meant; all of them where none is named."""
        named = self.values("state")
        return tuple(state for state in STATES if not named or state in named)

    @property
    def ids(self) -> list[int] | None:
        """The ids that are meant; None: any."""
        return sorted({int(value) for value in self.values("id")}) or None

    @property
    def only_states(self) -> bool:
        """Whether nothing but a state is asked for."""
        return all(term.field == "state" for term in self.terms)

    def with_state(self, state: str | None) -> str:
        """The same search for another state; None: for any."""
        others = [term.raw for term in self.terms if term.field != "state"]
        return " ".join(([f"state:{state}"] if state else []) + others)


def parse(text: str) -> Search:
    """Raises SearchError, and nothing else."""
    if len(text) > LONGEST:
        raise SearchError(f"A search has at most {LONGEST} characters.", LONGEST, len(text))
    bad = next((at for at, sign in enumerate(text) if not is_storable(sign)), None)
    if bad is not None:
        raise SearchError("This character stands in no job.", bad, bad + 1)
    terms = tuple(_terms(text))
    if len(terms) > MOST_TERMS:
        raise SearchError(f"A search has at most {MOST_TERMS} conditions.", 0, len(text))
    return Search(text.strip(), terms)


def quoted(value: str) -> str:
    """A value as it has to be typed."""
    plain = value and not any(sign.isspace() or sign in '":\\' for sign in value)
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_storable(sign: str) -> bool:
    return sign != "\0" and not "\ud800" <= sign <= "\udfff"


def _terms(text: str) -> Iterator[Term]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        start = at
        while at < len(text) and not text[at].isspace() and text[at] not in ':"':
            at += 1
        name = text[start:at]
        if at < len(text) and text[at] == ":":
            value, at = _value(text, at + 1)
            yield _term(name, value, text, start, at)
        elif name:
            if at < len(text) and text[at] == '"':
                raise SearchError("A quotation begins after a space or a colon.", at, at + 1)
            yield Term("", name, (), name)
        else:
            value, at = _value(text, at)
            if value:
                yield Term("", value, (), text[start:at])


def _value(text: str, start: int) -> tuple[str, int]:
    """The value that begins there, and where it ends. In quotes a \\ keeps the sign after it."""
    at = start
    if text[at : at + 1] != '"':
        while at < len(text) and not text[at].isspace():
            at += 1
        return text[start:at], at
    found = []
    at += 1
    while at < len(text) and text[at] != '"':
        at += text[at] == "\\" and at + 1 < len(text)
        found.append(text[at])
        at += 1
    if at == len(text):
        raise SearchError('This quotation has no end: add a ".', start, at)
    at += 1
    if at < len(text) and not text[at].isspace():
        raise SearchError("After a quotation there is a space.", at, at + 1)
    return "".join(found), at


def _term(name: str, value: str, text: str, start: int, end: int) -> Term:
    after_name = start + len(name)
    document, dot, rest = name.partition(".")
    path: tuple[str, ...] = ()
    if document in DOCUMENTS and (dot or name == document):
        path = tuple(rest.split("."))
        if not all(path) or len(path) > MOST_STEPS:
            raise SearchError(f"A path is like {document}.user.id:42.", start, after_name)
    elif name not in FIELDS:
        raise SearchError(_unknown(name), start, after_name)
    if not value:
        raise SearchError(f"What should {name} be? Write {name}:VALUE.", start, end)
    try:
        _check(name, value)
    except ValueError as error:
        raise SearchError(str(error), after_name + 1, end) from None
    return Term(document if path else name, value, path, text[start:end])


def _unknown(name: str) -> str:
    known = (*FIELDS, *DOCUMENTS)
    close = difflib.get_close_matches(name.lower()[:40], known, 1)
    if close:
        return f"there is no field {name[:40]}: did you mean {close[0]}?"
    return (
        f"there is no field {name[:40]}. Fields: {', '.join(FIELDS)}, args.PATH, meta.PATH; "
        'words with a colon stand in "quotes".'
    )


def _check(name: str, value: str) -> None:
    if name == "state" and value not in STATES:
        close = difflib.get_close_matches(value.lower()[:40], STATES, 1)
        hint = f": did you mean {close[0]}?" if close else f". States: {', '.join(STATES)}."
        raise ValueError(f"there is no state {value[:40]}{hint}")
    if name == "id" and not is_id(value):
        raise ValueError("An id is a number such as 1042.")
    if name in ("after", "before"):
        parse_moment(value)


def is_id(value: str) -> bool:
    return value.isascii() and value.isdecimal() and len(value) < 20 and int(value) <= LARGEST_ID
