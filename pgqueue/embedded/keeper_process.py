"""The keeper: starts a server for its owner, and ends it when the owner is gone, however it went.

It is a process of its own, run as a plain file with nothing but the standard library. Only the
owner holds the other end of its standard input, so the end of that input is the end of the owner,
even after SIGKILL. Being the server's parent, it cannot mistake another process for it.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import Any

ESCALATIONS = {
    "fast": (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL),
    "immediate": (signal.SIGQUIT, signal.SIGKILL),
    "kill": (signal.SIGKILL,),
}
PATIENCE = 30.0  # seconds for each step


class ServerKeeper:
    """Obeys one owner: requests are lines of JSON on standard input, each has one line of reply."""

    def __init__(self, account: list[int] | None, remove: list[str]) -> None:
        self._identity: dict[str, Any] = {}
        if account is not None:
            self._identity = {"user": account[0], "group": account[1], "extra_groups": []}
        self._remove = remove
        self._server: subprocess.Popen[bytes] | None = None
        self._command: list[str] = []

    def serve(self) -> None:
        """Obey until the owner says goodbye or is gone; then leave nothing behind."""
        for line in sys.stdin:
            request = json.loads(line)
            action = request.pop("do")
            if action == "leave":
                return
            if action == "end":
                break
            self._reply(request.pop("number"), action, request)
        self.stop("fast")
        if self._remove:
            self._free_memory()
        for path in self._remove:
            shutil.rmtree(path, ignore_errors=True)

    def _reply(self, number: int, action: str, request: dict[str, Any]) -> None:
        try:
            answer = {"number": number, "answer": getattr(self, action)(**request)}
        except OSError as error:
            answer = {"number": number, "error": str(error)}
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(answer), flush=True)

    def run(self, command: list[str]) -> dict[str, Any]:
        """Run a program to its end."""
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **self._identity,
        )
        return {"code": done.returncode, "output": done.stdout.decode(errors="replace")}

    def start(self, command: list[str]) -> int:
        """Start the server in a session of its own: Ctrl-C in a terminal is not meant for it."""
        self._command = command
        self._server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
            start_new_session=True,
            **self._identity,
        )
        return self._server.pid

    def exit_code(self) -> int | None:
        """None while the server runs."""
        return self._server.poll() if self._server is not None else 0

    def stop(self, mode: str) -> int | None:
        """Ask, insist, kill."""
        if self._server is None:
            return 0
        for step in ESCALATIONS[mode]:
            self._server.send_signal(step)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._server.wait(PATIENCE)
        return None

    def _free_memory(self) -> None:
        """A killed server leaves shared memory that outlives its files: the next start frees it."""
        if self._server is not None and self._server.returncode != 0:
            program, *options = self._command
            with contextlib.suppress(OSError):
                self.run([program, "--single", *options, "postgres"])


def main() -> None:
    orders = json.loads(sys.argv[1])
    # Functions rather than SIG_IGN, which the server would inherit.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, lambda *_: None)
    os.umask(0o077)
    ServerKeeper(orders["account"], orders["remove"]).serve()
    # A fork of the owner may still share the lock: closing our end would not free it.
    fcntl.flock(orders["lock"], fcntl.LOCK_UN)


if __name__ == "__main__":
    main()
