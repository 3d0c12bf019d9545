"""The owner's side of the keeper: requests, replies, and the pipe whose end means goodbye."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from .accounts import Account
from .errors import EmbeddedServerError

PROGRAM = Path(__file__).with_name("keeper_process.py")
PASSED_ON = ("PATH", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
FAREWELL = 120.0  # seconds; longer than every step of the keeper's escalation


class Keeper:
    """A keeper process, which lives until `end`, `leave`, or the death of this process.

    Processes forked from this one without exec share the pipe, and so count as the owner: the
    keeper waits for the last of them.
    """

    def __init__(self, account: Account | None, lock: int, log: int, remove: list[Path]) -> None:
        orders = {
            "account": None if account is None else [account.uid, account.gid],
            "remove": [str(path) for path in remove],
            "lock": lock,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", PROGRAM, json.dumps(orders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            pass_fds=[lock],
            start_new_session=True,
            cwd="/",
            env=_environment(),
            text=True,
        )
        self._number = 0
        self._turn = threading.Lock()

    def run(self, command: list[str]) -> tuple[int, str]:
        """Run a program as the server's user; its exit code and all that it said."""
        done = self._ask("run", command=command)
        return done["code"], done["output"]

    def start(self, command: list[str]) -> int:
        """Start the server; its process id."""
        pid: int = self._ask("start", command=command)
        return pid

    def exit_code(self) -> int | None:
        """None while the server runs."""
        code: int | None = self._ask("exit_code")
        return code

    def stop(self, mode: str) -> None:
        """Stop the server: "fast", "immediate" or "kill". Harder steps follow if it does not."""
        self._ask("stop", mode=mode)

    def end(self) -> bool:
        """Stop the server, remove what was to be removed, and dismiss the keeper.

        False if the keeper died before it was done.
        """
        return self._dismiss("end")

    def leave(self) -> None:
        """Dismiss the keeper and let the server run on."""
        self._dismiss("leave")

    def is_alive(self) -> bool:
        """Whether the process still answers; somebody may have killed it."""
        return self._process.poll() is None

    def _ask(self, action: str, **details: Any) -> Any:
        with self._turn:
            self._number += 1
            try:
                self._send({"do": action, "number": self._number, **details})
                reply = self._receive()
            except OSError as error:
                raise _lost() from error
        if "error" in reply:
            raise EmbeddedServerError(f"The server's keeper could not {action}: {reply['error']}")
        return reply["answer"]

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        """The reply to the last request: an interrupted one may have left its own in the pipe."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            reply: dict[str, Any] = json.loads(line)
            if reply["number"] == self._number:
                return reply
        raise _lost()

    def _dismiss(self, action: str) -> bool:
        with contextlib.suppress(OSError):
            self._send({"do": action})
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        return self._process.returncode == 0


def _environment() -> dict[str, str]:
    """Nothing private: the server's user can read its own environment. English messages."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return kept | {"LC_ALL": "C"}


def _lost() -> EmbeddedServerError:
    return EmbeddedServerError(
        "The keeper of the private server is gone.\n"
        "Something killed that process, so the server is no longer looked after.\n"
        "Hint: close() this server and start it again; that cleans up."
    )
