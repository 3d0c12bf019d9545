"""What one call of the program works with: its flags, the database, the application."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from .environment import ConfigurationFile, Setting
from .errors import USAGE, CommandError, of_connection, of_schema

if TYPE_CHECKING:
    import psycopg

    from pgqueue.application import Application

    Row = dict[str, Any]

DEFAULT_TIMEOUT = 10.0
LONGEST = 2**31 - 1
"""Milliseconds that PostgreSQL takes for a statement_timeout."""
LIBPQ = "PGHOST, PGDATABASE and the other defaults of libpq"


@dataclass
class Session:
    """The global flags as typed, and what follows from them when it is asked for."""

    app: str | None = None
    dsn: str | None = None
    config: str | None = None
    env_file: str | None = None
    as_json: bool = False
    quiet: bool = False
    verbose: int = 0
    color: bool | None = None
    yes: bool = False
    timeout: float = DEFAULT_TIMEOUT
    from_environment_file: set[str] = field(default_factory=set)

    # Settings

    @cached_property
    def configuration(self) -> ConfigurationFile:
        return ConfigurationFile(self.config)

    def find(self, name: str, *variables: str) -> Setting | None:
        """A setting from its flag, its variables, or the configuration file."""
        typed = getattr(self, name)
        if typed is not None:
            return Setting(typed, "-A" if name == "app" else "--dsn")
        for variable in variables:
            if os.environ.get(variable):
                from_file = variable in self.from_environment_file
                where = f"{variable} in {self.env_file}" if from_file else variable
                return Setting(os.environ[variable], where)
        if name in self.configuration.values:
            return Setting(self.configuration.values[name], str(self.configuration.path))
        return None

    @cached_property
    def app_setting(self) -> Setting | None:
        return self.find("app", "PGQUEUE_APP")

    @cached_property
    def dsn_setting(self) -> Setting:
        """The database: named by us, else by the application if there is one, else by libpq."""
        found = self.find("dsn", "PGQUEUE_DSN", "DATABASE_URL")
        if found is not None:
            return found
        application = self.application_if_any
        if application is not None and application.dsn:
            return Setting(application.dsn, "the application")
        return Setting("", LIBPQ)

    @cached_property
    def database_dsn(self) -> str:
        """The DSN for libpq. Raises CommandError, which does not show it, if it cannot be read."""
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

        from pgqueue.database.dsn import normalise_dsn

        dsn = normalise_dsn(self.dsn_setting.value)
        try:
            conninfo_to_dict(dsn)
        except ProgrammingError:
            raise CommandError(
                "the DSN cannot be read.",
                f"(dsn from {self.dsn_setting.source}; it is not shown, as it may hold a password)",
                "write it as postgresql://user:password@host:5432/database; in a password, "
                "characters such as @ : / % are written %40 %3A %2F %25",
                exit_code=USAGE,
            ) from None
        return dsn

    @cached_property
    def shown_dsn(self) -> str:
        """The DSN without its password."""
        from pgqueue.database.dsn import display_dsn

        return display_dsn(self.database_dsn)

    def scrub(self, text: str) -> str:
        """The text without the password, should the database or a traceback repeat it."""
        from psycopg.conninfo import conninfo_to_dict

        try:
            password = conninfo_to_dict(self.database_dsn).get("password")
        except click.ClickException:
            return "(not shown: it may hold the password of a DSN that cannot be read)"
        password = str(password or os.environ.get("PGPASSWORD") or "")
        return text.replace(password, "***") if len(password) > 2 else text

    # Application

    @cached_property
    def application(self) -> Application:
        """The application, pointed at the database. Raises CommandError."""
        application = self._found_application
        named = application.dsn
        setting = self.find("dsn", "PGQUEUE_DSN", "DATABASE_URL")
        if setting is not None:
            if named and named != self.database_dsn and setting.source != "--dsn":
                self.note(
                    f"the application names another database than {setting.source}, "
                    f"which is used: {self.shown_dsn}"
                )
            application.configure(dsn=self.database_dsn)
        return application

    @cached_property
    def _found_application(self) -> Application:
        from .discovery import find_application

        return find_application(
            self.app_setting, project=self.configuration.path, traces=self.verbose >= 2
        )

    @property
    def application_if_any(self) -> Application | None:
        """The application as it was declared, or None where none is and none was named."""
        from .discovery import NoApplication

        try:
            return self._found_application
        except NoApplication:
            return None

    # Database

    @property
    def names_database(self) -> bool:
        """Whether anybody said which database is meant, and it is not just libpq's default."""
        said = self.dsn_setting.source != LIBPQ
        return said or any(os.environ.get(name) for name in ("PGHOST", "PGDATABASE", "PGSERVICE"))

    def open(self) -> psycopg.Connection[Row]:
        """A connection to the database, whatever is in it."""
        import psycopg
        from psycopg.rows import dict_row

        from pgqueue.database.link import connection_string

        try:
            return psycopg.connect(
                connection_string(self.database_dsn, "pgqueue cli"),
                row_factory=dict_row,
                prepare_threshold=None,
            )
        except psycopg.OperationalError as error:
            raise self.unreachable(error) from error

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[Row]]:
        """A connection to a database whose schema is the one we know."""
        with self.open() as connection:
            self._check_schema(connection)
            yield connection

    @contextmanager
    def transaction(self, connection: psycopg.Connection[Row]) -> Iterator[psycopg.Connection[Row]]:
        """A transaction whose statements are bounded by --timeout, with times in UTC.

        The settings are local to it, so that they stay with us behind a pooler.
        """
        limit = min(max(1, round(self.timeout * 1000)), LONGEST) if self.timeout else 0
        with connection.transaction():
            connection.execute(
                "SELECT set_config('statement_timeout', %s, true), "
                "set_config('TimeZone', 'UTC', true)",
                [f"{limit}ms"],
            )
            yield connection

    def _check_schema(self, connection: psycopg.Connection[Row]) -> None:
        from psycopg.rows import tuple_row

        from pgqueue.database.schema import INSTALLED, VERSION, check_schema
        from pgqueue.errors import SchemaError

        with self.transaction(connection), connection.cursor(row_factory=tuple_row) as cursor:
            database, exists, ours = cursor.execute(INSTALLED).fetchall()[0]
            version = cursor.execute(VERSION).fetchall()[0][0] if ours else None
        try:
            check_schema(database, exists, ours, version)
        except SchemaError as error:
            told = of_schema(error)
            told.why = f"(dsn from {self.dsn_setting.source})"
            if self.dsn_setting.source == LIBPQ and told.hint:
                meant = "set DATABASE_URL (or --dsn) first if you mean another database"
                told.hint = f"{meant}; in this one: {told.hint}"
            raise told from None

    def unreachable(self, error: Exception) -> CommandError:
        """Why there is no connection, and what to do."""
        reason = self.scrub(str(error)).strip().partition("\n")[0]
        reason = reason.removeprefix("connection failed: ").rpartition(" failed: ")[2]
        return CommandError(
            "cannot connect to the database.",
            f"{self.shown_dsn} — {reason}\n(dsn from {self.dsn_setting.source})",
            of_connection(reason),
        )

    # Talking

    def note(self, text: str) -> None:
        """Progress and remarks: on stderr, unless --quiet."""
        if not self.quiet:
            click.echo(text, err=True)

    def confirm(self, question: str) -> None:
        """Ask before something that is hard to undo. Raises click.Abort for a no."""
        if self.yes:
            return
        try:
            click.confirm(question, abort=True, err=True)
        except click.Abort:
            if not sys.stdin.isatty() and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                click.echo(err=True)
            raise CommandError("nothing was changed.", hint="--yes answers for scripts.") from None

    def wants_color(self) -> bool:
        """Colours on stdout: asked for, or on a terminal whose owner does not mind."""
        if self.color is not None:
            return self.color
        return sys.stdout.isatty() and not refuses_color()


def refuses_color() -> bool:
    """Whether the environment asks for text without colours."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
