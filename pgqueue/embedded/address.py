"""How to reach a server: what drivers, people and pytest-postgresql ask for."""

from pathlib import Path
from urllib.parse import quote

from psycopg import sql

from .cluster import SUPERUSER
from .directory import Record, ServerDirectory
from .errors import EmbeddedServerError
from .launcher import connect


class Address:
    """The address of the server in a directory, as recorded there at its last start."""

    user = SUPERUSER
    options = ""
    maintenance_dbname = "postgres"
    template_dbname: str | None = None

    def __init__(self, directory: ServerDirectory | None) -> None:
        self._directory = directory

    @property
    def data(self) -> Path:
        """The directory of the server. A temporary server has one from its start to its end."""
        return self._here.path

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._here.log

    @property
    def exists(self) -> bool:
        """Whether a server was ever made in the directory, running or not."""
        return self._directory is not None and self._directory.exists

    @property
    def host(self) -> str:
        """The directory of the socket, or 127.0.0.1 with `tcp`. libpq takes either as a host."""
        return "127.0.0.1" if self._record.tcp else str(self._here.sockets)

    @property
    def port(self) -> int:
        """The TCP port, or the number in the socket's name."""
        return self._record.port

    @property
    def password(self) -> str | None:
        """The superuser's password on TCP; None on the socket."""
        return self._record.password if self._record.tcp else None

    def dsn(self, database: str = "postgres") -> str:
        """A URL that psycopg, psycopg2, asyncpg and (with its driver's name) SQLAlchemy take."""
        name = quote(database, safe="")
        if self.password is not None:
            return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{name}"
        where = quote(self.host, safe="")
        return f"postgresql://{self.user}@/{name}?host={where}&port={self.port}"

    def create_database(self, name: str) -> str:
        """Create an empty database; its URL. Raises psycopg's error if there is one already."""
        with connect(self._here, self._record) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.dsn(name)

    @property
    def _here(self) -> ServerDirectory:
        if self._directory is None:
            raise EmbeddedServerError(
                "This temporary server is not running, so it has no address.\n"
                "Hint: call start() first, or use it in a with statement."
            )
        return self._directory

    @property
    def _record(self) -> Record:
        return self._here.read_record()
