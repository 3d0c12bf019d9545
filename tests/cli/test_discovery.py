"""Finding the application: named, configured, or in one of the usual files."""

import pytest

from .conftest import APP, Program

NAMED = APP.replace("app = PgQueue()", "queue = app = PgQueue()")


def test_the_usual_files_in_order(elsewhere: Program) -> None:
    elsewhere.write("app.py")
    assert "add" in elsewhere.alone("tasks", "ls", "-q").out
    elsewhere.write("jobs.py", NAMED.replace("def add", "def sooner"))
    assert "sooner" in elsewhere.alone("tasks", "ls", "-q").out
    elsewhere.write("pgqueue_app.py", "")
    assert "sooner" in elsewhere.alone("tasks", "ls", "-q").out


def test_named_by_flag_variable_or_file(elsewhere: Program) -> None:
    elsewhere.write("one.py", NAMED)
    for line, variables in (
        (["-A", "one:app"], {}),
        (["--app", "one:queue"], {}),
        (["-A", "one"], {}),
        ([], {"PGQUEUE_APP": "one:app"}),
    ):
        assert "add" in elsewhere.alone(*line, "tasks", "ls", **variables).out
    elsewhere.write("pyproject.toml", '[tool.pgqueue]\napp = "one:app"\n')
    assert "add" in elsewhere.alone("tasks", "ls").out
    elsewhere.write("other.toml", '[tool.pgqueue]\napp = "two:app"\n')
    ran = elsewhere.alone("tasks", "ls", "--config", "other.toml")
    assert 'there is no module "two"' in ran.err


def test_a_project_is_found_from_below(elsewhere: Program) -> None:
    elsewhere.write("one.py")
    elsewhere.write("pyproject.toml", '[tool.pgqueue]\napp = "one:app"\n')
    (elsewhere.folder / "docs").mkdir()
    below = Program(elsewhere.folder / "docs", elsewhere.environment)
    assert "add" in below.alone("tasks", "ls").out


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        ("one:ap", 'module "one" has no "ap"', "did you mean one:app?"),
        ("one:add", "one:add is not a PgQueue object, it is a task.", "this module has one:"),
        ("one:time.sleep", "it is a builtin_function_or_method", "this module has one:"),
        ("two:app", 'there is no module "two"', "PYTHONPATH"),
        ("one.py:app", '"one.py" is a file', "did you mean one:app?"),
        ("shop/one.py", '"shop/one.py" is a file', "did you mean shop.one?"),
        ("one:", '"one:" is not the name of an app', "module:attribute"),
        (":app", '":app" is not the name of an app', "module:attribute"),
        ("several", "does not have exactly one PgQueue object: it has a, b.", "module:attribute"),
        ("none", "does not have exactly one PgQueue object: it has none.", "module:attribute"),
        ("broken", 'importing "broken" failed: ZeroDivisionError', "-vv"),
        ("unwritten", 'importing "unwritten" failed: SyntaxError', "-vv"),
        ("lacking", 'importing "lacking" failed: ModuleNotFoundError', "-vv"),
        ("leaving", 'importing "leaving" failed: SystemExit', "-vv"),
    ],
)
def test_an_app_that_cannot_be_had(elsewhere: Program, name: str, what: str, hint: str) -> None:
    elsewhere.write("one.py", NAMED)
    elsewhere.write("several.py", "from pgqueue import PgQueue\na, b = PgQueue(), PgQueue()\n")
    elsewhere.write("none.py", "")
    elsewhere.write("broken.py", "\n\n1 / 0\n")
    elsewhere.write("unwritten.py", "def\n")
    elsewhere.write("lacking.py", "import surely_not_installed\n")
    elsewhere.write("leaving.py", "raise SystemExit(0)\n")
    ran = elsewhere.alone("tasks", "ls", "-A", name)
    assert ran.code == (1 if "failed" in what else 2)
    assert what in ran.err
    assert hint in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


def test_where_the_import_failed(elsewhere: Program) -> None:
    path = elsewhere.write("broken.py", "\n\n1 / 0\n")
    assert f'  File "{path}", line 3' in elsewhere.alone("tasks", "ls", "-A", "broken").err
    assert "Traceback" in elsewhere.alone("tasks", "ls", "-A", "broken", "-vv").err


def test_none_or_several_in_the_usual_files(elsewhere: Program) -> None:
    ran = elsewhere.alone("tasks", "ls")
    assert (ran.code, "Error: no app found." in ran.err) == (2, True)
    assert "pgqueue init" in ran.err
    elsewhere.write("jobs.py", "from pgqueue import PgQueue\na, b = PgQueue(), PgQueue()\n")
    ran = elsewhere.alone("tasks", "ls")
    assert "jobs.py has 2: a, b." in ran.err
    assert ran.code == 2


def test_the_database_of_the_app_serves_where_none_is_named(elsewhere: Program, dsn: str) -> None:
    elsewhere.write("jobs.py", APP.replace("PgQueue()", f'PgQueue("{dsn}")'))
    found = {item["name"]: item for item in elsewhere.alone("config", "--json").json["items"]}
    assert found["dsn"]["source"] == "the application"
    assert elsewhere.alone("info").code == 0
    assert elsewhere.alone("enqueue", "add", "a=1").code == 0


def test_two_databases_are_remarked_upon(elsewhere: Program, dsn: str) -> None:
    elsewhere.write("jobs.py", APP.replace("PgQueue()", 'PgQueue("dbname=another")'))
    elsewhere.environment["DATABASE_URL"] = dsn
    ran = elsewhere.alone("worker", "--dry-run")
    assert ran.code == 0
    assert "the application names another database than DATABASE_URL, which is used" in ran.err
