"""A cable of our own: connections that pass through it can be cut, refused, or left without a word."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Self

_CHUNK = 1 << 16
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Link:
    """Connections to a port of this machine that are carried on to a server, in a thread of its own.

    Parameters
    ----------
    target : callable
        Opens a connection to the server.

    Attributes
    ----------
    port : int
        Where it listens on 127.0.0.1.
    """

    def __init__(self, target: Callable[[], Awaitable[_Streams]]) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._refuses = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)

    @classmethod
    def to_socket(cls, path: str) -> Self:
        """Return a link to a socket of this machine's file system."""
        return cls(lambda: asyncio.open_unix_connection(path))

    @classmethod
    def to_port(cls, port: int) -> Self:
        """Return a link to another port of this machine."""
        return cls(lambda: asyncio.open_connection("127.0.0.1", port))

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.start_server(self._carry, "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(started, self._loop).result(10)
        self.port = int(server.sockets[0].getsockname()[1])
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut(self) -> None:
        """End every connection with a reset, and refuse new ones until it is mended."""
        self._refuses = True
        self._loop.call_soon_threadsafe(self._reset)

    def silence(self) -> None:
        """Carry nothing, and say nothing, until it is mended."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def mend(self) -> None:
        """Carry everything again."""
        self._refuses = False
        self._loop.call_soon_threadsafe(self._flows.set)

    def _reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            there, back = await self._target()
        except OSError:  # the server is away
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        self._writers -= {writer, back}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort() if self._refuses else writer.close()
