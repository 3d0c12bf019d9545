"""Both type checkers accept a program that is right, and report every mistake in another."""

import importlib.util
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONSUMER, MISTAKES = HERE / "consumer.py", HERE / "mistakes.py"
STRICT = ("--strict", "--config-file=", "--follow-imports=silent", "--no-error-summary")
EXPECTED = re.compile(r"# expect: ([a-z-]+), (\w+)$")

Reports = dict[Path, dict[int, set[str]]]
"""The rules that were broken, by file and line."""


def run(*command: str | Path) -> str:
    """What a checker prints. It ends with 1 when it has found something."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy() -> Reports:
    """What mypy --strict says, without the settings of this repository."""
    found: Reports = defaultdict(lambda: defaultdict(set))
    for line in run("mypy", *STRICT, "--output=json", CONSUMER, MISTAKES).splitlines():
        report = json.loads(line)
        if report["severity"] == "error":
            found[ROOT / report["file"]][report["line"]].add(report["code"])
    return found


def pyright() -> Reports:
    """What pyright says; the files ask for its strict mode."""
    where = ("--pythonpath", sys.executable)
    found: Reports = defaultdict(lambda: defaultdict(set))
    for report in json.loads(run("pyright", "--outputjson", *where, CONSUMER, MISTAKES))[
        "generalDiagnostics"
    ]:
        line = report["range"]["start"]["line"] + 1
        found[Path(report["file"])][line].add(report["rule"])
    return found


CHECKERS = {"mypy": mypy, "pyright": pyright}


@pytest.fixture(scope="module", params=CHECKERS)
def checked(request: pytest.FixtureRequest) -> tuple[str, Reports]:
    """A checker's name and its reports on both files."""
    name = request.param
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    probe = [sys.executable, "-m", name, "--version"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{name} is installed in part: `{name} --version` fails")
    return name, CHECKERS[name]()


def test_a_right_program_is_accepted(checked: tuple[str, Reports]) -> None:
    _, reports = checked
    assert dict(reports[CONSUMER]) == {}


def test_every_mistake_is_reported_and_nothing_else(checked: tuple[str, Reports]) -> None:
    name, reports = checked
    expected: dict[int, str] = {}
    for number, line in enumerate(MISTAKES.read_text(encoding="utf-8").splitlines(), start=1):
        if mark := EXPECTED.search(line):
            expected[number] = mark[1 if name == "mypy" else 2]
    assert len(expected) > 40
    missed = {line: rule for line, rule in expected.items() if rule not in reports[MISTAKES][line]}
    assert missed == {}
    surprises = {line: rules for line, rules in reports[MISTAKES].items() if rules}
    assert set(surprises) == set(expected)


@pytest.mark.parametrize(
    "page", ["README.md", "docs/how-to/transactions-psycopg.md", "docs/how-to/schedules.md"]
)
def test_the_first_program_of_a_page_is_accepted(page: str, tmp_path: Path) -> None:
    """The first file of the page and the first block that is none, as one reads them."""
    pytest.importorskip("mypy")
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.M | re.S)
    files = [block for block in blocks if re.match(r"# \w+\.py\n", block)]
    others = [block for block in blocks if block not in files]
    name = files[0].split()[1]
    (tmp_path / name).write_text(files[0], encoding="utf-8")
    (tmp_path / "program.py").write_text(others[0], encoding="utf-8")
    assert run("mypy", *STRICT, tmp_path / name, tmp_path / "program.py") == ""


def test_the_right_program_is_a_program() -> None:
    """It declares its tasks, so that the checkers are not the only ones who believe it."""
    source = f"import runpy; runpy.run_path({str(CONSUMER)!r})"
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
