"""A shell that runs the `$ command` lines of console blocks and compares what they print."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

MARK = "--- end of the command ---"


class Shell:
    """One bash for a whole page, so that `cd`, `export` and background processes last."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=environment,
        )

    def run(self, command: str) -> tuple[str, int]:
        """What the command printed, on either stream, and its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(
            f"{{ {command}\n}} </dev/null\ncode=$?; echo; echo '{MARK}' $code; (exit $code)\n"
        )
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(MARK):
                return "".join(lines).strip("\n"), int(line.split()[-1])
            lines.append(line)
        raise AssertionError(f"the shell ended during: {command}\n{''.join(lines)}")

    def close(self) -> None:
        """Let the shell end, and with it what the page started in the background."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("kill $(jobs -p) 2>/dev/null; wait\n")
        self._process.stdin.close()
        self._process.stdout.read()
        self._process.stdout.close()
        self._process.wait(timeout=60)


def differences(shell: Shell, block: str) -> str | None:
    """Run a block. None when all was as shown, else what was not.

    In shown output `…` stands for any text; where none is shown, none may be printed. A command has
    to succeed, unless the page says that it does not: by an `Error: …`, or by asking for `$?`.
    """
    pairs = list(commands(block))
    following = [*(command for command, _ in pairs[1:]), ""]
    for (command, shown), after in zip(pairs, following, strict=True):
        printed, code = shell.run(command)
        if not re.fullmatch(pattern(shown), normal(printed), re.DOTALL):
            return f"$ {command}\nshown:\n{shown}\nprinted (exit code {code}):\n{printed}"
        if code != 0 and "$?" not in after and "Error: " not in shown:
            return f"$ {command}\nexit code {code}, and nothing says so:\n{printed}"
    return None


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of the block, with the output that is shown below it."""
    command: str | None = None
    shown: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield command, "\n".join(shown).strip("\n")
            command, shown = line[2:], []
        elif line.startswith("> ") and command is not None and not shown:
            command += "\n" + line[2:]
        else:
            shown.append(line)
    if command is not None:
        yield command, "\n".join(shown).strip("\n")


def pattern(shown: str) -> str:
    """A regular expression for shown output: `…` is anything, and spaces may be of any width."""
    parts = (re.escape(normal(part)) for part in shown.split("…"))
    return ".*?".join(parts)


def normal(text: str) -> str:
    return "\n".join(re.sub(r" {2,}", "  ", line).rstrip(" ") for line in text.splitlines()) + (
        "\n" if text.endswith("\n") else ""
    )
