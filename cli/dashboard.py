"""`pgqueue dashboard`: look and act in a browser. It needs a database, and no application."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import os
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .errors import USAGE, CommandError
from .session import Session
from .who import operator

if TYPE_CHECKING:
    from pgqueue.dashboard.access import Access, Role
    from pgqueue.dashboard.dashboard import Dashboard

NEEDED = ("starlette", "jinja2", "uvicorn", "sse_starlette")
USER, PASSWORD = "PGQUEUE_DASHBOARD_USER", "PGQUEUE_DASHBOARD_PASSWORD"
PASSWORD_FILE, ROLE = "PGQUEUE_DASHBOARD_PASSWORD_FILE", "PGQUEUE_DASHBOARD_ROLE"
SHORTEST_PASSWORD = 8


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8088, show_default=True)
@click.option("--read-only", is_flag=True, help="Let nobody change anything.")
@click.option("--hide-args", is_flag=True, help="Show no arguments and no results of jobs.")
@click.option("--open", "open_browser", is_flag=True, help="Open it in your browser.")
@click.option("--root-path", default="", metavar="/PATH", help="Where a proxy in front puts it.")
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="Another name that leads to it."
)  # fmt: skip
@click.option(
    "--auth-header", metavar="HEADER", help="The user stands in this header, as a proxy says."
)  # fmt: skip
@click.option(
    "--trusted-proxy", "proxies", multiple=True, metavar="CIDR", help="Whose header is believed."
)  # fmt: skip
@click.option("--insecure", is_flag=True, help="Let everybody in who reaches the address.")
@click.pass_obj
def dashboard(
    session: Session,
    /,
    host: str,
    port: int,
    read_only: bool,
    hide_args: bool,
    open_browser: bool,
    root_path: str,
    hosts: tuple[str, ...],
    auth_header: str | None,
    proxies: tuple[str, ...],
    insecure: bool,
) -> None:
    """Look and act in a browser: jobs, queues, errors, workers, and what to do about them.

    On the loopback address everybody on this machine gets in. Any other address wants a name and
    a password, from PGQUEUE_DASHBOARD_USER and PGQUEUE_DASHBOARD_PASSWORD (or …_PASSWORD_FILE),
    with the role in PGQUEUE_DASHBOARD_ROLE: viewer, operator or admin (the default); or a proxy
    that authenticates.
    """
    _check_installed()
    from pgqueue.dashboard.dashboard import Dashboard
    from pgqueue.dashboard.serving import known_hosts

    if root_path and not root_path.startswith("/"):
        raise CommandError(
            "--root-path begins with a slash.", hint=f"--root-path /{root_path}", exit_code=USAGE
        )
    access = _access(host, auth_header, proxies, insecure=insecure)
    with session.connect():
        pass  # whatever is wrong with the database is said here, not on the first page
    made = Dashboard(
        session.database_dsn,
        access,
        hosts=known_hosts(host, hosts),
        read_only=read_only,
        hide_args=hide_args,
        links={},
        back_url=None,
        live="events",
    )
    _serve(session, made, host, port, root_path, open_browser=open_browser)


def _serve(
    session: Session, made: Dashboard, host: str, port: int, root_path: str, *, open_browser: bool
) -> None:
    from pgqueue.dashboard.serving import listen, server

    try:
        listening = listen(host, port)
    except OSError as error:
        raise CommandError(
            f"cannot listen on {host}, port {port}.",
            error.strerror or str(error),
            f"another port: pgqueue dashboard --port {port + 1 if port < 65535 else 0}",
        ) from error
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listening.getsockname()[1]}{root_path}/"

    def ready() -> None:
        session.note(f"dashboard of {session.shown_dsn}\n{url}   Ctrl+C stops it.")
        if open_browser:
            webbrowser.open(url)

    with contextlib.suppress(KeyboardInterrupt):  # the usual way to stop it
        server(made, root_path=root_path, ready=ready).run(sockets=[listening])


def _check_installed() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(
            "the dashboard is not installed.",
            f"missing: {', '.join(missing)}",
            'pip install "pgqueue[dashboard]"',
        )


def _access(host: str, header: str | None, proxies: tuple[str, ...], *, insecure: bool) -> Access:
    """Who gets in. Raises CommandError for an address that strangers reach without a question."""
    from pgqueue.dashboard.access import Anybody, Passwords, ProxyHeader
    from pgqueue.dashboard.serving import is_loopback

    role = _role()
    if bool(header) != bool(proxies):
        raise CommandError(
            "--auth-header and --trusted-proxy go together.",
            hint="--auth-header X-Forwarded-User --trusted-proxy 10.0.0.0/8",
            exit_code=USAGE,
        )
    if header:
        return ProxyHeader(header, tuple(_network(proxy) for proxy in proxies), role)
    password = _password()
    if password is not None:
        return Passwords({os.environ.get(USER) or "admin": (password, role)})
    if not is_loopback(host) and not insecure:
        raise CommandError(
            f"{host} can be reached by others, and nobody would be asked who they are.",
            hint=f"set {USER} and {PASSWORD}, or use --auth-header, or stay on 127.0.0.1; "
            "--insecure lets everybody in.",
            exit_code=USAGE,
        )
    return Anybody(operator(), role)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise CommandError(
            f"--trusted-proxy {text} is no network.", str(error), "for example 10.0.0.0/8",
            exit_code=USAGE,
        ) from None  # fmt: skip


def _role() -> Role:
    from pgqueue.dashboard.access import ROLES

    given = os.environ.get(ROLE) or "admin"
    for role in ROLES:
        if given == role:
            return role
    raise CommandError(f"{ROLE} is {', '.join(ROLES[:-1])} or {ROLES[-1]}.", exit_code=USAGE)


def _password() -> str | None:
    """The password from its variable or its file. One that is easily guessed is refused."""
    given = os.environ.get(PASSWORD)
    if path := os.environ.get(PASSWORD_FILE):
        try:
            given = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CommandError(
                f"cannot read {PASSWORD_FILE}.", str(error), exit_code=USAGE
            ) from error
    if given is None:
        return None
    if len(given) < SHORTEST_PASSWORD:
        raise CommandError(
            f"the password has fewer than {SHORTEST_PASSWORD} characters.",
            hint="python3 -c 'import secrets; print(secrets.token_urlsafe())' makes one.",
            exit_code=USAGE,
        )
    return given
