"""A private PostgreSQL server, for tests, trying things out and development.

It needs no installed server, no Docker and no rights, and works as root too.

    from pgqueue.embedded import EmbeddedServer

    with EmbeddedServer() as server:
        connection = psycopg.connect(server.dsn())

See `EmbeddedServer` for lasting servers and for use with pytest.
"""

from .binaries import Binaries, find_binaries
from .errors import EmbeddedServerError
from .server import EmbeddedServer

__all__ = ["Binaries", "EmbeddedServer", "EmbeddedServerError", "find_binaries"]
