"""What is said to PostgreSQL's programs: how to make a cluster and how to run it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pgqueue.errors import UsageError

from .binaries import Binaries

SUPERUSER = "postgres"
OURS_ALONE = ("port", "listen_addresses", "unix_socket_directories", "data_directory")
USUAL_SETTINGS = {"max_connections": "200", "shared_buffers": "128MB"}
CARELESS_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


def choose_settings(durable: bool, wished: Mapping[str, str]) -> dict[str, str]:
    """The settings of a server: ours, then the caller's. Commits stay synchronous.

    Without durability the server may lose its data in a crash of the machine, not of a process.
    Raises UsageError for settings that this driver must choose itself.
    """
    if taken := [name for name in wished if name.lower() in OURS_ALONE]:
        raise UsageError(
            f"settings: {', '.join(taken)} cannot be set here, pgqueue chooses it.\n"
            "Hint: use tcp=True and port= for a TCP port, data= for the directory."
        )
    return USUAL_SETTINGS | ({} if durable else CARELESS_SETTINGS) | dict(wished)


def initdb_commands(binaries: Binaries, target: Path, durable: bool) -> Iterable[list[str]]:
    """Ways to make a cluster, best first: UTF-8 text, in an order that no locale changes."""
    command = [
        str(binaries.program("initdb")),
        f"--pgdata={target}",
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        "--no-instructions",
    ]
    if not durable:
        command.append("--no-sync")
    if binaries.major >= 17:
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        return [[*command, *builtin], [*command, "--no-locale"]]
    return [[*command, "--locale=C.UTF-8"], [*command, "--no-locale"]]


def server_command(
    binaries: Binaries,
    pgdata: Path,
    *,
    sockets: Path,
    port: int,
    tcp: bool,
    settings: Mapping[str, str],
) -> list[str]:
    """The server's command line. Nothing is written to its files, so they stay the user's."""
    chosen = {
        **settings,
        "unix_socket_directories": str(sockets),
        "listen_addresses": "127.0.0.1" if tcp else "",
        "port": str(port),
    }
    command = [str(binaries.program("postgres")), "-D", str(pgdata)]
    for name, value in chosen.items():
        command += ["-c", f"{name}={value}"]
    return command
