"""A project begun with `init`: what is written works as it is."""

import subprocess
import sys
import tomllib

from .conftest import Program


def test_from_init_to_a_job_done(program: Program, dsn: str) -> None:
    program.environment = {
        name: value for name, value in program.environment.items() if name != "PGQUEUE_DSN"
    } | {"DATABASE_URL": dsn}
    ran = program.alone("init")
    assert ran.out == "wrote jobs.py\nwrote test_jobs.py\nwrote pyproject.toml\n"
    assert "pgqueue migrate" in ran.err
    assert program.alone("migrate").code == 0
    ran = program.alone("enqueue", "hello", "name=Ada")
    assert ran.out.startswith("hello #")
    assert program.alone("worker", "--once").code == 0
    (job,) = program.alone("jobs", "ls", "--json").json["items"]
    assert (job["state"], job["result"]) == ("succeeded", "Hello Ada! ")
    ran = program.alone("enqueue", "hello", "name=Ada", "times=two")
    assert "hello: argument times: expected int, got str" in ran.err
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"],
        cwd=program.folder,
        env=program.environment,
        capture_output=True,
        text=True,
    )
    assert "2 passed" in tested.stdout, tested.stdout + tested.stderr


def test_nothing_is_overwritten(elsewhere: Program) -> None:
    for name in ("jobs.py", "test_jobs.py"):
        path = elsewhere.write(name, "# mine\n")
        ran = elsewhere("init")
        assert (ran.code, f"{name} is there already" in ran.err) == (2, True)
        assert path.read_text() == "# mine\n"
        assert [file.name for file in elsewhere.folder.iterdir()] == [name]
        path.unlink()
    elsewhere.write("pyproject.toml", "[tool.pgqueue]\n")
    ran = elsewhere("init")
    assert (ran.code, "has [tool.pgqueue] already" in ran.err) == (2, True)


def test_a_configuration_is_added_to(elsewhere: Program) -> None:
    path = elsewhere.write("pyproject.toml", '[project]\nname = "shop"')
    assert elsewhere("init", "--json").json["written"] == [
        "jobs.py",
        "test_jobs.py",
        "pyproject.toml",
    ]
    found = tomllib.loads(path.read_text())
    assert found == {"project": {"name": "shop"}, "tool": {"pgqueue": {"app": "jobs:app"}}}
    assert elsewhere.alone("tasks", "ls", "-q").out == "hello\n"
