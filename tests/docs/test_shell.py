"""The shell of the documentation notices what a reader would notice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.shell import Shell, differences


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path, {"PATH": "/usr/bin:/bin"})
    yield shell
    shell.close()


@pytest.mark.parametrize("shown", ["…", "no…"])
def test_a_command_that_fails_is_reported(shell: Shell, shown: str) -> None:
    found = differences(shell, f"$ echo nothing; (exit 2)\n{shown}")
    assert found is not None
    assert "exit code 2, and nothing says so" in found


@pytest.mark.parametrize(
    "block",
    [
        "$ echo Error: no; false\nError: no",
        "$ (exit 3)\n$ echo $?\n3",
        "$ true\n$ echo $?\n0",
        "$ false || echo nothing\nnothing",
    ],
)
def test_a_failure_that_the_page_shows_is_as_it_should_be(shell: Shell, block: str) -> None:
    assert differences(shell, block) is None


def test_output_that_is_not_shown_is_reported(shell: Shell) -> None:
    assert differences(shell, "$ echo something") is not None
    assert differences(shell, "$ true") is None


def test_the_exit_code_that_is_shown_is_compared(shell: Shell) -> None:
    assert differences(shell, "$ (exit 3)\n$ echo $?\n0") is not None
