"""The shape of the SQL: one file, one statement, full names, parameters that mean the same
everywhere.
"""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

import pgqueue
from pgqueue import migrations
from pgqueue.database.statement import Statement

PACKAGE = Path(pgqueue.__file__).parent
NAMES = sorted(path.stem for path in (PACKAGE / "database" / "sql").glob("*.sql"))
PARAMETER = re.compile(r"%\((\w+)\)s")


def loaded() -> list[str]:
    """The names given to Statement(...) in the library, once for each."""
    found: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        found += re.findall(r"\bStatement\(\s*\"(\w+)\"", source)
        for names in re.findall(r"Statement\(name\) for name in \(([^)]*)\)", source):
            found += re.findall(r"\"(\w+)\"", names)
    return sorted(found)


def test_every_file_is_loaded_by_exactly_one_statement() -> None:
    assert loaded() == NAMES


def ours() -> set[str]:
    """The names of our tables, views and functions."""
    found: set[str] = set()
    for path in (Path(migrations.__file__).parent / "sql").rglob("*.sql"):
        source = path.read_text(encoding="utf-8")
        found |= set(re.findall(r"CREATE (?:TABLE|VIEW|FUNCTION) pgqueue\.(\w+)", source))
    assert {"job", "jobs", "enqueue"} <= found
    return found


@pytest.mark.parametrize("name", NAMES)
def test_names_are_written_in_full(name: str) -> None:
    """So that no search_path can put anything else in their place."""
    text = Statement(name).text
    any_of_ours = "|".join(sorted(ours()))
    relation = rf"\b(?:FROM|JOIN|INTO|UPDATE|ONLY)\s+(?:{any_of_ours})\b(?!\()"
    function = rf"(?<![\w.])(?<!AS )(?:{any_of_ours})\("
    assert not re.findall(relation, text)
    assert not re.findall(function, text)
    assert "pgqueue." in text


@pytest.mark.parametrize("name", NAMES)
def test_percent_signs_stand_for_parameters_only(name: str) -> None:
    text = Statement(name).text
    assert "%" not in PARAMETER.sub("", text)
    assert "--" not in text
    assert ";" not in text
    assert "::" not in text, "SQLAlchemy would read it as a parameter: write CAST"


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_the_same_for_psycopg_and_sqlalchemy(name: str) -> None:
    statement = Statement(name)
    compiled = statement.clause.compile()
    assert isinstance(statement.clause, sa.TextClause)
    assert set(compiled.params) == set(PARAMETER.findall(statement.text))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_its_type_in_the_text(name: str) -> None:
    """Drivers guess types from Python values, and each guesses differently."""
    text = Statement(name).text
    assert len(PARAMETER.findall(text)) == len(re.findall(r"CAST\(%\(\w+\)s AS [\w ]+", text))


def test_a_statement_is_named_in_tracebacks() -> None:
    assert repr(Statement("claim")) == "Statement('claim')"
