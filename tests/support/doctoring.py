"""What the doctor finds of us, on a server that may have faults of its own."""

from collections.abc import Iterable

from pgqueue.doctor import Finding

OF_THE_SERVER = "autovacuum is off on this server"


def ours(findings: Iterable[Finding]) -> list[Finding]:
    """What is not well, apart from what holds for the whole server that the tests run on."""
    return [
        found
        for found in findings
        if found.status != "ok" and not found.text.startswith(OF_THE_SERVER)
    ]
