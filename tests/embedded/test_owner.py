"""The server ends with its owner, however the owner ends."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from pgqueue.embedded import EmbeddedServer, EmbeddedServerError
from tests.embedded.conftest import is_gone
from tests.support.waiting import eventually

Start = Callable[..., "subprocess.Popen[str]"]

OWNER = """
import os, sys
from pgqueue.embedded import EmbeddedServer
server = EmbeddedServer(*sys.argv[2:])
server.start()
print(server.data, server.pid, flush=True)
{}
"""
WAITS = OWNER.format("sys.stdin.read()")
CTRL_C = """
import psycopg, sys
from pgqueue.embedded import EmbeddedServer
with EmbeddedServer() as server:
    try:
        print(server.data, server.pid, flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        psycopg.connect(server.dsn()).close()
        print("answers")
"""
ENDINGS = {
    "raises": "raise ZeroDivisionError",
    "exits without a word": "os._exit(4)",
    "replaces itself": "os.execv('/bin/true', ['true'])",
}


def said(owner: "subprocess.Popen[str]") -> tuple[Path, int]:
    assert owner.stdout is not None
    line = owner.stdout.readline()
    assert line, owner.stderr and owner.stderr.read()
    data, pid = line.split()
    return Path(data), int(pid)


def keeper_of(pid: int) -> int:
    return psutil.Process(pid).ppid()


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_server_and_no_directory_remain_when_the_owner(ending: str, python: Start) -> None:
    data, pid = said(python(OWNER.format(ENDINGS[ending]), ""))
    eventually(lambda: is_gone(pid), what="the server ends")
    eventually(lambda: not data.exists(), what="its directory goes")


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_no_server_and_no_directory_remain_after(signal_number: int, python: Start) -> None:
    owner = python(WAITS, "")
    data, pid = said(owner)
    keeper = keeper_of(pid)
    owner.send_signal(signal_number)
    for process in (pid, keeper):
        eventually(lambda process=process: is_gone(process), what="the process ends")
    assert not data.exists()


def test_ctrl_c_reaches_the_owner_and_not_the_server(python: Start) -> None:
    owner = python(CTRL_C, start_new_session=True)
    data, pid = said(owner)
    os.killpg(owner.pid, signal.SIGINT)
    out, _ = owner.communicate(timeout=30)
    assert out.strip() == "answers"
    assert is_gone(pid)
    assert not data.exists()


def test_lasting_data_stays_but_the_server_does_not(python: Start, place: Path) -> None:
    owner = python(WAITS, "", place / "data")
    data, pid = said(owner)
    owner.kill()
    eventually(lambda: is_gone(pid))
    assert (data / "pgdata" / "PG_VERSION").exists()
    assert not (data / "pgdata" / "postmaster.pid").exists()


def test_a_forked_child_leaves_its_parents_server_alone(private: EmbeddedServer) -> None:
    with EmbeddedServer() as server:
        child = os.fork()
        if child == 0:
            refused = False
            try:
                server.stop()
            except EmbeddedServerError:
                refused = True
            server.close()
            os._exit(0 if refused and server.is_running() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert server.is_running()
        psycopg.connect(server.dsn()).close()


def test_a_fork_that_outlives_the_block_does_not_hold_it_up() -> None:
    read_end, write_end = os.pipe()
    with EmbeddedServer() as server:
        data = server.data
        child = os.fork()
        if child == 0:
            os.close(write_end)
            os.read(read_end, 1)
            os._exit(0)
    assert not data.exists()
    os.close(write_end)
    os.waitpid(child, 0)
    os.close(read_end)


def test_a_server_without_its_keeper_is_still_ended_by_its_owner() -> None:
    with EmbeddedServer() as server:
        data, pid = server.data, server.pid
        assert pid is not None
        os.kill(keeper_of(pid), signal.SIGKILL)
    assert is_gone(pid)
    assert not data.exists()


def test_what_owner_and_keeper_left_is_swept_up_by_the_next_start(python: Start) -> None:
    owner = python(WAITS, "")
    data, pid = said(owner)
    os.kill(owner.pid, signal.SIGSTOP)
    os.kill(keeper_of(pid), signal.SIGKILL)
    owner.kill()
    owner.wait()
    assert data.exists()
    with EmbeddedServer():
        pass
    # Any other test's start may have been quicker, and may still be at it.
    eventually(lambda: is_gone(pid))
    eventually(lambda: not data.exists())


def test_a_lost_lasting_server_is_taken_over_by_the_next_start(
    python: Start, place: Path, lasting: Callable[..., EmbeddedServer]
) -> None:
    owner = python(WAITS, "", place / "data")
    _, pid = said(owner)
    os.kill(keeper_of(pid), signal.SIGKILL)
    owner.kill()
    owner.wait()
    with lasting() as server:
        assert server.pid != pid
        assert is_gone(pid)
