"""Writes what follows from the code: parts of the reference (command line, views, functions,
metrics), and the shape of the schema that the doctor expects.

    python docs/generate.py

A test compares the pages with what this would write.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import psycopg

REFERENCE = Path(__file__).parent / "reference"
SHAPE = Path(__file__).parents[1] / "pgqueue" / "doctor" / "shape.json"
VIEWS = (
    *("jobs", "dead_jobs", "failures", "error_groups", "queue_stats", "workers", "limits"),
    "pauses",
)
VIEWS += ("schedules",)
VIEWS += ("operations",)
VIEWS += ("tasks", "audit_log")
FOR_EVERYBODY = (
    "enqueue",
    "enqueue_with",
    "enqueue_many",
    "enqueue_many_with",
    "cancel",
    "retry",
    "why",
    "reasons",
    "pause_queue",
    "resume_queue",
    "pause",
    "resume",
    "backlog",
    "running",
    "refuse_above",
    "set_ageing",
    "set_limit",
    "remove_limit",
    "set_weight",
    "acquire",
    "stay",
    "leave",
)
FOR_EVERYBODY += ("put_schedule", "pause_schedule", "resume_schedule")
FOR_EVERYBODY += ("run_schedule", "delete_schedule")
FOR_EVERYBODY += ("reschedule", "set_priority", "delete_job")
FOR_EVERYBODY += ("history", "depths", "task_statistics", "queue_statistics", "percentiles")
FOR_EVERYBODY += ("errors_since", "record_action", "redactions")
FOR_EVERYBODY += ("ask_dump",)
FOR_EVERYBODY += ("metrics",)

VIEW_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), col_description(a.attrelid, a.attnum)
FROM pg_attribute a
WHERE a.attrelid = ('pgqueue.' || %s)::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
VIEW_COMMENT = "SELECT obj_description(('pgqueue.' || %s)::regclass, 'pg_class')"
FUNCTIONS = """
SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
       obj_description(p.oid, 'pg_proc')
FROM pg_proc p WHERE p.pronamespace = 'pgqueue'::regnamespace ORDER BY p.proname
"""


def views(connection: psycopg.Connection[Any]) -> str:
    """A heading, the comment and a table of the columns for each view."""
    parts = []
    for view in VIEWS:
        comment = connection.execute(VIEW_COMMENT, [view]).fetchall()[0][0]
        columns = connection.execute(VIEW_COLUMNS, [view]).fetchall()
        rows = [(f"`{name}`", kind, meaning) for name, kind, meaning in columns]
        parts.append(
            f"### pgqueue.{view}\n\n{comment}\n\n{table(('column', 'type', 'meaning'), rows)}"
        )
    return "\n\n".join(parts)


def functions(connection: psycopg.Connection[Any], *, for_everybody: bool) -> str:
    """Signature and comment of each function, those for everybody in the order of their use."""
    found = {row[0]: row for row in connection.execute(FUNCTIONS).fetchall()}
    others = [name for name in found if name not in FOR_EVERYBODY]
    parts = []
    for name in FOR_EVERYBODY if for_everybody else others:
        _, arguments, result, comment = found[name]
        listed = ",\n".join(f"    {argument}" for argument in split(arguments))
        text = textwrap.fill(comment, 100, break_long_words=False)
        parts.append(
            f"### pgqueue.{name}\n\n```text\npgqueue.{name}(\n{listed})\n"
            f"RETURNS {result}\n```\n\n{text}"
        )
    return "\n\n".join(parts)


def split(arguments: str) -> list[str]:
    """The arguments of a signature, one by one; commas inside quotes or brackets divide nothing."""
    return re.findall(r"(?:[^,'(\[]|'[^']*'|\([^)]*\)|\[[^\]]*\])+", arguments.replace(", ", ","))


def shape(connection: psycopg.Connection[Any]) -> str:
    """What the doctor expects to find in the catalog."""
    from pgqueue.doctor.database import Database
    from pgqueue.doctor.shape import actual, text_of

    return text_of(actual(Database(connection, timeout=60, patience=60)))


def commands() -> str:
    """Every command with its usage, its help and its options."""
    from pgqueue.cli.main import main

    # With its own settings: a command remembers the help option that it showed first.
    context = click.Context(main, info_name="pgqueue", **main.context_settings)
    return "\n\n".join(_commands(main, context))


def _commands(command: click.Command, context: click.Context) -> Iterator[str]:
    yield _section(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _commands(child, click.Context(child, context, info_name=name))


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    depth = "##" if context.parent is None or context.parent.parent is None else "###"
    help_text = "\n\n".join(
        textwrap.fill(" ".join(part.split()), 100)
        for part in (command.help or "").replace("\b", "").split("\n\n")
    )
    rows = [
        (f"`{record[0]}`", record[1])
        for parameter in command.params
        if (record := parameter.get_help_record(context)) is not None
    ]
    parts = [
        f"{depth} {context.command_path}",
        f"```text\n{context.command_path} {usage}\n```",
        help_text,
    ]
    if rows:
        parts.append(table(("option", ""), rows))
    return "\n\n".join(parts)


def metrics(found: Iterable[Any]) -> str:
    """Every metric with its kind, its labels and its text."""
    rows = [
        (
            f"`{metric.full_name}`",
            metric.kind,
            " ".join(f"`{label}`" for label in metric.labels),
            metric.text,
        )
        for metric in found
    ]
    return table(("metric", "kind", "labels", "meaning"), rows)


def table(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in line) + " |" for line in lines)


def cell(text: str | None) -> str:
    return " ".join((text or "").replace("|", "\\|").split())


def sections(connection: psycopg.Connection[Any]) -> dict[str, dict[str, Callable[[], str]]]:
    """What is generated, by page and name."""
    from pgqueue.metrics.catalogue import OF_THE_BUILD, OF_THE_DATABASE, OF_THE_WORKER

    return {
        "cli.md": {"commands": commands},
        "metrics.md": {
            "metrics of a process": lambda: metrics([*OF_THE_WORKER.values(), OF_THE_BUILD]),
            "metrics of the database": lambda: metrics(OF_THE_DATABASE.values()),
        },
        "sql.md": {
            "views": lambda: views(connection),
            "functions for everybody": lambda: functions(connection, for_everybody=True),
            "functions for workers": lambda: functions(connection, for_everybody=False),
        },
    }


def fill(page: str, name: str, text: str) -> str:
    """The page with the text between the marks of that name. Raises KeyError without marks."""
    begin, end = f"<!-- generated: {name} -->\n", f"\n<!-- end of {name} -->"
    if begin not in page or end not in page:
        raise KeyError(f"the page has no {begin.strip()} … {end.strip()}")
    before, _, rest = page.partition(begin)
    return before + begin + "\n" + text + "\n" + end + rest.partition(end)[2]


def main() -> None:
    """Write all sections, from a schema migrated for it on a private server."""
    from pgqueue.embedded import EmbeddedServer
    from pgqueue.migrations import upgrade

    with EmbeddedServer() as server:
        upgrade(server.dsn())
        with psycopg.connect(server.dsn()) as connection:
            SHAPE.write_text(shape(connection), encoding="utf-8")
            for name, parts in sections(connection).items():
                path = REFERENCE / name
                page = path.read_text(encoding="utf-8")
                for part, make in parts.items():
                    page = fill(page, part, make())
                path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
