"""The reference says what the code has: no more, no less."""

import dataclasses
import importlib.util
import inspect
import re
import typing
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

import pgqueue
from pgqueue import errors, events, outcome
from pgqueue.doctor import CHECKS
from pgqueue.embedded import EmbeddedServerError
from pgqueue.migrations.errors import MigrationError
from pgqueue.worker.log import NAMES

DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text(encoding="utf-8")


def rows(text: str) -> dict[str, list[str]]:
    """The rows of all tables by their first cell, if that is one word of code."""
    found = {}
    for line in ROW.findall(text):
        first, *others = re.split(r" (?<!\\)\| ", line)
        if re.fullmatch(r"`\w+`", first):
            found[first.strip("`")] = others
    return found


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level."""
    level = heading.split()[0]
    return re.split(rf"^{level} ", text.partition(f"\n{heading}\n")[2], flags=re.MULTILINE)[0]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """docs/generate.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["cli.md", "metrics.md", "sql.md"])
def test_generated_sections_are_up_to_date(
    generate: ModuleType, connection: psycopg.Connection[Any], name: str
) -> None:
    text = page(name)
    for part, make in generate.sections(connection)[name].items():
        assert generate.fill(text, part, make()) == text, "run: python docs/generate.py"


def test_every_view_is_for_people(
    generate: ModuleType, connection: psycopg.Connection[Any]
) -> None:
    found = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'pgqueue'")
    assert {view for (view,) in found} == set(generate.VIEWS)


def test_api_has_every_public_name() -> None:
    text = page("api.md")
    headings = set(re.findall(r"^### (\w+)$", text, re.MULTILINE))
    linked = set(re.findall(r"\[`(\w+)`\]\(errors\.md#", text))
    assert headings | linked == set(pgqueue.__all__)
    assert linked == {name for name in pgqueue.__all__ if hasattr(errors, name)}


MEMBERS = ["PgQueue", "Task", "Job", "RunningJob", "LimitHandle", "Place", "JobRecord"]
MEMBERS += ["Schedule", "ScheduleHandle", "ScheduleRecord"]
VIEWS_OF = {"JobRecord": "### pgqueue.jobs", "ScheduleRecord": "### pgqueue.schedules"}


@pytest.mark.parametrize("name", MEMBERS)
def test_api_has_every_public_member(name: str) -> None:
    kind = getattr(pgqueue, name)
    if name in VIEWS_OF:  # its fields are the columns of the view
        fields = {field.name for field in dataclasses.fields(kind)}
        assert fields == set(rows(section(page("sql.md"), VIEWS_OF[name])))
        return
    text = section(page("api.md"), f"### {name}")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    public = {member for member in dir(kind) if not member.startswith("_")}
    mentioned = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`", text))))
    assert public <= mentioned, public - mentioned


def test_settings_have_every_field_and_default() -> None:
    found = rows(section(page("settings.md"), "## Worker"))
    fields = {field.name: field for field in dataclasses.fields(pgqueue.WorkerSettings)}
    assert list(found) == list(fields)
    for name, field in fields.items():
        if field.default is not dataclasses.MISSING:
            assert found[name][0] == f"`{field.default!r}`", name


def test_application_settings_have_every_argument() -> None:
    parameters = inspect.signature(pgqueue.PgQueue).parameters
    found = rows(section(page("settings.md"), "## Application"))
    assert {name: cells[0] for name, cells in found.items()} == {
        name: f"`{parameter.default!r}`" for name, parameter in parameters.items()
    }


def test_the_doctor_has_a_section_for_every_check() -> None:
    text = section((DOCS / "how-to" / "doctor.md").read_text(encoding="utf-8"), "## The checks")
    assert re.findall(r"^### (.+)$", text, re.MULTILINE) == [check.name for check in CHECKS]


def test_errors_have_every_class() -> None:
    text = page("errors.md")
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    expected = classes | {EmbeddedServerError.__name__, MigrationError.__name__}
    assert set(re.findall(r"^### (\w+)$", text, re.MULTILINE)) == expected
    tree = text.partition("```text")[2].partition("```")[0]
    assert set(re.findall(r"[A-Z]\w+", tree)) - {"ValueError"} == classes


def test_the_errors_are_listed_once() -> None:
    listed = re.findall(r"\[`(\w+)`\]\(errors\.md#", section(page("api.md"), "## Errors"))
    headings = re.findall(r"^### (\w+)$", page("errors.md"), re.MULTILINE)
    ours = {name for name in headings if hasattr(errors, name)}
    assert sorted(listed) == sorted(ours)


def test_events_have_every_class_and_field() -> None:
    found = rows(page("events.md"))
    for kind in typing.get_args(events.Event):
        fields, name, _ = found[kind.__name__]
        assert re.findall(r"\w+", fields) == [field.name for field in dataclasses.fields(kind)]
        assert name == f"`{NAMES[kind]}`"
    outcomes = typing.get_args(outcome.Outcome)
    for kind in outcomes:
        shown = re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", found[kind.__name__][0]))
        assert shown == [field.name for field in dataclasses.fields(kind)]
    kinds = {*typing.get_args(events.Event), *outcomes}
    assert set(found) == {kind.__name__ for kind in kinds}
