"""The shape of the tree: modules as big as their idea, and a wheel that holds them all."""

import ast
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
HOMES = {
    "benchmarks": "pgqueue/benchmarks",
    "cli": "pgqueue/cli",
    "migrations": "pgqueue/migrations",
    "pgqueue": "pgqueue",
}
"""Each folder that ships, and where it is once it is installed."""
AT_HOME = ROOT / "benchmarks" / "peers"
"""What does not ship: it installs other queues."""
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 45


def shipped() -> dict[str, Path]:
    """Every file that ships, by its name in the wheel."""
    found: dict[str, Path] = {}
    for folder, home in HOMES.items():
        for path in sorted((ROOT / folder).rglob("*")):
            if AT_HOME in path.parents or "__pycache__" in path.parts:
                continue
            if path.is_file():
                found[f"{home}/{path.relative_to(ROOT / folder).as_posix()}"] = path
    return found


MODULES = sorted(name for name in shipped() if name.endswith(".py"))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_small_and_says_its_idea(name: str) -> None:
    source = shipped()[name].read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MOST_LINES
    tree = ast.parse(source)
    assert ast.get_docstring(tree), "no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= MOST_LINES_OF_A_FUNCTION, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("name", sorted(name for name in shipped() if name.endswith(".sql")))
def test_a_file_of_sql_is_small(name: str) -> None:
    assert len(shipped()[name].read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_no_module_is_a_drawer() -> None:
    names = {Path(name).stem for name in MODULES}
    assert not names & {"utils", "util", "core", "common", "helpers", "misc"}


def test_there_is_nothing_but_source() -> None:
    served = {".css", ".html", ".js", ".svg", ".txt"}
    assert {path.suffix for path in shipped().values()} == {
        ".json",
        ".py",
        ".sql",
        ".typed",
    } | served


@pytest.mark.slow
def test_the_wheel_holds_the_tree_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("build", reason="building needs the package `build`")
    pytest.importorskip("setuptools", minversion="77", reason="building needs setuptools 77")
    source = tmp_path / "source"
    source.mkdir()
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in HOMES:
        shutil.copytree(ROOT / folder, source / folder, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path]
    built = subprocess.run([*command, source], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names - set(shipped()) == set(), "in the wheel only"
    assert set(shipped()) - names == set(), "not in the wheel"
    assert "pgqueue/py.typed" in names


def test_a_plain_install_brings_what_async_sqlalchemy_needs() -> None:
    assert "greenlet" in brought("pgqueue", "", set())


def brought(name: str, extra: str, seen: set[tuple[str, str]]) -> set[str]:
    """The packages that an installation of this one brings along, by their metadata."""
    if (name, extra) in seen:
        return set()
    seen.add((name, extra))
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return {name}
    found = {name}
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            for wanted in ["", *requirement.extras]:
                found |= brought(requirement.name, wanted, seen)
    return found
