"""What handlers say when they start: the first of a process, every one, or how many there were."""

from __future__ import annotations

import json
import os
import time

SAY = os.environ.get("PEERS_SAY", "first")

_started = 0
_said = 0.0


def started(subject: str) -> None:
    """Every handler begins with this. A line is one write: processes may share the pipe."""
    global _started, _said
    _started += 1
    if SAY == "first" and _started > 1:
        return
    now = time.monotonic()
    if SAY == "rate" and now - _said < 1:
        return
    line = {"at": now, "number": int(subject.rpartition(" ")[2]), "started": _started}
    _said = now
    os.write(1, f"{json.dumps(line)}\n".encode())
