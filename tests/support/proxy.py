"""A TCP proxy between client and server that can fail in every way a network can."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Mode = Literal["ok", "blackhole", "deaf", "reset", "refuse"]
"""blackhole: nothing passes, deaf: nothing passes from server to client, though connections stay
open and new ones are accepted; reset: connections end by RST; refuse: nobody listens.
"""


class _Pair:
    """One proxied connection, known by the application name of its startup packet."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.name = ""
        self.up, self.down = asyncio.Event(), asyncio.Event()

    def set(self, mode: Mode) -> None:
        for gate, is_open in ((self.up, mode in ("ok", "deaf")), (self.down, mode == "ok")):
            if is_open:
                gate.set()
            else:
                gate.clear()
        if mode in ("reset", "refuse"):
            self.abort()

    def abort(self) -> None:
        for writer in (self.client, self.server):
            connected: socket.socket = writer.get_extra_info("socket")
            if connected.fileno() >= 0:
                linger = struct.pack("ii", 1, 0)
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        self.up.set()
        self.down.set()


class FaultProxy:
    """Forwards to one server. `set` changes what happens to connections, old and new."""

    def __init__(self, dsn: str) -> None:
        given = conninfo_to_dict(dsn)
        self._host, self._server_port = str(given.get("host")), int(given.get("port") or 5432)
        self._given = given
        self._modes: dict[str, Mode] = {"": "ok"}
        self._pairs: set[_Pair] = set()
        self._loop = asyncio.new_event_loop()
        self._listening: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = 0
        self._call(self._listen())

    @property
    def dsn(self) -> str:
        """The DSN that leads through the proxy, without encryption so that it can read names."""
        through = {"host": "127.0.0.1", "port": self.port, "sslmode": "disable"}
        return make_conninfo("", **{**self._given, **through, "gssencmode": "disable"})

    def set(self, mode: Mode, only: str = "") -> None:
        """From now on; `only` for connections whose application name starts like this."""
        self._call(self._set(mode, only))

    def connections(self, name: str = "") -> int:
        """How many open connections have a name that starts like this."""
        return sum(pair.name.startswith(name) for pair in tuple(self._pairs))

    def close(self) -> None:
        """End all connections and the proxy."""
        self._call(self._set("refuse", ""))
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine: object) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)  # type: ignore[arg-type]  # a coroutine

    def _mode(self, name: str) -> Mode:
        fitting = max((only for only in self._modes if name.startswith(only)), key=len)
        return self._modes[fitting]

    async def _set(self, mode: Mode, only: str) -> None:
        if not only:
            self._modes.clear()
            if mode == "refuse" and self._listening is not None:
                self._listening.close()
                self._listening = None
            elif mode != "refuse" and self._listening is None:
                await self._listen()
        self._modes[only] = mode
        for pair in tuple(self._pairs):
            if pair.name.startswith(only):
                pair.set(mode)

    async def _listen(self) -> None:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(4)
        first += await reader.readexactly(struct.unpack("!i", first)[0] - 4)
        from_server, to_server = await self._connect()
        pair = _Pair(writer, to_server)
        fields = first[8:].split(b"\0")
        pair.name = (
            dict(zip(fields[::2], fields[1::2], strict=False))
            .get(b"application_name", b"")
            .decode()
        )
        self._pairs.add(pair)
        try:
            pair.set(self._mode(pair.name))
            await pair.up.wait()
            to_server.write(first)
            await asyncio.gather(
                _pump(reader, to_server, pair.up), _pump(from_server, writer, pair.down)
            )
        finally:
            self._pairs.discard(pair)
            pair.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._host.startswith("/"):
            path = f"{self._host}/.s.PGSQL.{self._server_port}"
            return await asyncio.open_unix_connection(path)
        return await asyncio.open_connection(self._host, self._server_port)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event
) -> None:
    while data := await reader.read(65536):
        await gate.wait()
        writer.write(data)
        await writer.drain()
    await gate.wait()
    writer.close()


@contextmanager
def fault_proxy(dsn: str) -> Iterator[FaultProxy]:
    """A proxy to the server of this DSN for the length of the block."""
    proxy = FaultProxy(dsn)
    try:
        yield proxy
    finally:
        proxy.close()
