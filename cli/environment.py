"""Where settings come from: a file of variables, and [tool.pgqueue] of a TOML file."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .errors import CommandError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"(['\"])(.*)\1(?:\s+#.*)?")
_KNOWN = ("app", "dsn")


def read_environment_file(path: str) -> dict[str, str]:
    """KEY=VALUE lines. A value may stand between quotes; `#` begins a comment line."""
    found = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read {path}.", str(error), exit_code=2) from None
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise CommandError(
                f"line {number} of {path} is not KEY=VALUE.",
                hint="write one variable a line, such as DATABASE_URL=postgresql://localhost/shop",
                exit_code=2,
            )
        found[match[1]] = _unquoted(match[2])
    return found


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return quoted[2] if quoted else text.split(" #")[0].rstrip()


@dataclass(frozen=True)
class Setting:
    """A value, and where it was found."""

    value: str
    source: str


class ConfigurationFile:
    """[tool.pgqueue] of the file that was named, or of the nearest pyproject.toml that has one."""

    def __init__(self, named: str | None) -> None:
        self.path: Path | None = None
        self.values: dict[str, str] = {}
        if named is not None:
            self._take(Path(named))
            return
        here = Path.cwd()
        for folder in (here, *here.parents):
            if (folder / "pyproject.toml").is_file() and self._take(folder / "pyproject.toml"):
                return

    def _take(self, path: Path) -> bool:
        table = self._table(path)
        if table is None:
            return False
        for name, value in table.items():
            self._check(path, name, value)
        self.path, self.values = path, table
        return True

    def _table(self, path: Path) -> dict[str, str] | None:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("pgqueue")
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError) as error:
            raise CommandError(f"cannot read {path}.", str(error), exit_code=2) from None
        if table is not None and not isinstance(table, dict):
            raise CommandError(f"tool.pgqueue in {path} is not a table.", exit_code=2)
        return table

    def _check(self, path: Path, name: str, value: object) -> None:
        if name not in _KNOWN:
            close = difflib.get_close_matches(name, _KNOWN, n=1)
            raise CommandError(
                f'[tool.pgqueue] in {path} has an unknown setting "{name}".',
                hint=f"did you mean {close[0]}?" if close else f"known are: {', '.join(_KNOWN)}",
                exit_code=2,
            )
        if not isinstance(value, str):
            raise CommandError(f"[tool.pgqueue] {name} in {path} is not a string.", exit_code=2)
