"""The server's main process as seen from outside: is it alive, and end it."""

import os
import signal
import subprocess
import time
from pathlib import Path

PATIENCE = 60.0  # seconds for each step
ESCALATIONS = {
    "fast": (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL),
    "immediate": (signal.SIGQUIT, signal.SIGKILL),
    "kill": (signal.SIGKILL,),
}


def running_postmaster(data: Path) -> int | None:
    """The process id of the server that runs on this cluster, or None.

    The pid file alone proves nothing: after a crash the number may belong to somebody else. The
    process must name this directory in its arguments and belong to the directory's owner.
    """
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        owner = data.stat().st_uid
    except (FileNotFoundError, ValueError):
        return None
    if pid <= 1 or (described := _describe(pid)) is None:
        return None
    uid, arguments = described
    return pid if uid == owner and str(data) in arguments else None


def end_postmaster(data: Path, mode: str) -> None:
    """Ask, insist, kill; return when the process is gone."""
    for step in ESCALATIONS[mode]:
        if (pid := running_postmaster(data)) is None:
            return
        try:
            os.kill(pid, step)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if running_postmaster(data) is None and _describe(pid) is None:
                return
            time.sleep(0.02)


def _describe(pid: int) -> tuple[int, str] | None:
    """Owner and arguments of a process; None if it is gone or a zombie."""
    process = Path("/proc", str(pid))
    if Path("/proc/self/cmdline").exists():
        try:
            arguments = (process / "cmdline").read_bytes().replace(b"\0", b" ")
            return (process.stat().st_uid, os.fsdecode(arguments)) if arguments else None
        except (FileNotFoundError, ProcessLookupError):
            return None
    answer = subprocess.run(
        ["ps", "-ww", "-o", "uid=,state=,args=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split(None, 2)
    if len(answer) < 3 or answer[1].startswith("Z"):
        return None
    return int(answer[0]), answer[2]
