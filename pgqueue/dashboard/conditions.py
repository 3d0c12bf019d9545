"""What a search is in SQL: whatever was typed stands in the parameters, and every piece of SQL is a
constant but for their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .moments import Moment, parse_moment
from .search import Search, Term, is_id

Bind = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Condition:
    """On jobs as `j`, with what was typed in the parameters."""

    sql: str
    parameters: dict[str, Any]


def condition(search: Search, hidden: Mapping[str, Sequence[str]]) -> Condition:
    """What it is in SQL. `hidden` are the paths of arguments that are secret, by task: who
    looks for a value there must not learn by finding it what it is.
    """
    sql: list[str] = []
    parameters: dict[str, Any] = {}

    def bind(value: Any) -> str:
        name = f"p{len(parameters)}"
        parameters[name] = value
        return f"%({name})s"

    for field in ("state", "queue", "task", "id", "error", "worker"):
        values = search.values(field)
        if values:
            sql.append(_ALTERNATIVES[field](values, bind))
    for term in search.terms:
        if term.field in ("", "tag"):
            sql.append(_word(term.value, bind) if term.field == "" else _tag(term.value, bind))
        elif term.field in ("after", "before"):
            sql.append(_moment(term, parameters))
        elif term.path:
            sql.append(_document(term, hidden, bind))
    return Condition(" AND ".join(sql) or "true", parameters)


def _named(column: str) -> Callable[[list[str], Bind], str]:
    """A name, or a pattern in which * is any text."""

    def condition(values: list[str], bind: Bind) -> str:
        plain = [value for value in values if "*" not in value]
        parts = [f"{column} = ANY ({bind(plain)})"] if plain else []
        parts += [f"{column} LIKE {bind(_like(value))}" for value in values if "*" in value]
        return f"({' OR '.join(parts)})"

    return condition


def _like(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def _ids(values: list[str], bind: Bind) -> str:
    return f"j.id = ANY ({bind([int(value) for value in values])})"


def _errors(values: list[str], bind: Bind) -> str:
    parts = []
    for value in values:
        text = f"lower({bind(value)})"
        parts.append(
            f"strpos(lower(coalesce(j.reason, '')), {text}) > 0 OR EXISTS ("
            "SELECT FROM pgqueue.failure f WHERE f.job_id = j.id "
            f"AND strpos(lower(f.error_type || ': ' || f.message), {text}) > 0)"
        )
    return f"({' OR '.join(parts)})"


def _workers(values: list[str], bind: Bind) -> str:
    named = _named("w.name")(values, bind)
    return (
        f"j.worker_id IN (SELECT w.id FROM pgqueue.worker w WHERE {named} "
        f"OR CAST(w.id AS text) = ANY ({bind(values)}))"
    )


_ALTERNATIVES: dict[str, Callable[[list[str], Bind], str]] = {
    "state": lambda values, bind: f"j.state = ANY ({bind(values)})",
    "queue": _named("j.queue"),
    "task": _named("j.task"),
    "id": _ids,
    "error": _errors,
    "worker": _workers,
}


def _word(value: str, bind: Bind) -> str:
    found = f"strpos(lower(j.task), lower({bind(value)})) > 0"
    return f"({found} OR j.id = {bind(int(value))})" if is_id(value) else found


def _tag(value: str, bind: Bind) -> str:
    return f"j.tags @> ARRAY[{bind(value)}]::text[]"


def _moment(term: Term, parameters: dict[str, Any]) -> str:
    moment: Moment = parse_moment(term.value)
    name = f"p{len(parameters)}"
    parameters[name] = moment.value
    sign = ">=" if term.field == "after" else "<"
    return f"coalesce(j.finished_at, j.enqueued_at) {sign} {moment.sql(name)}"


def _document(term: Term, hidden: Mapping[str, Sequence[str]], bind: Bind) -> str:
    found = f"j.{term.field} #>> {bind(list(term.path))} = {bind(term.value)}"
    if term.field != "args":
        return found
    secret = [task for task, paths in hidden.items() if any(_meets(p, term.path) for p in paths)]
    return f"({found} AND j.task <> ALL ({bind(secret)}))" if secret else found


def _meets(hidden: str, path: Sequence[str]) -> bool:
    """Whether a value at the path shows something of what is hidden, or the other way round."""
    return all(one in ("*", other) for one, other in zip(hidden.split("."), path, strict=False))
