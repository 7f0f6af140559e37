"""A real HTTP proxy before any HTTP server of the tests: it counts, delays, cuts and refuses.

    client --> Proxy.url --> [latency/2] --> target --> [latency/2] --> client
                   |                            |
            Fault before it arrives      Fault after the server has acted

    with counting_proxy.running(server_url, latencies=[Latency(25, 10)]) as proxy:
        proxy.fault(Cut.AFTER, method="PUT", path="*/inbox/*", nth=2)
        ...
        assert proxy.count("PUT", "*.parquet") == 1

Requests pass as they came, byte by byte, `Host` too: a server that verifies signatures finds
them right. What leads around the proxy are addresses in answers (redirects, a catalog's
`s3.endpoint`): those are the server's to configure.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy_passage import LIMIT_BYTES, Passage
from proxy_plan import ANY, Cut, Fault, Flood, Latency, Pattern, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from http_messages import Message

__all__ = ["ANY", "Cut", "Fault", "Flood", "Latency", "Pattern", "Proxy", "Request", "running"]

START_S = 5.0
TARGET = "x-amz-target"  # names the operation where every request goes to the same path


class Proxy:
    """See the module; everything here may be called from any thread.

    Args:
        target: `http://host:port` of the server.
        latencies: the first that matches a request delays it.
        mount: path below which clients find the server, sent to it in `X-Forwarded-Prefix`.

    Attributes:
        witness: sees each whole request before the server does; the connection ends there if it
            returns True.
    """

    def __init__(self, target: str, latencies: Sequence[Latency], mount: str = "") -> None:
        address = urlsplit(target)
        assert address.scheme == "http", f"{target}: only http servers can stand behind the proxy"
        self._target = (address.hostname or "", address.port or 80)
        self.latencies, self.mount = tuple(latencies), mount
        self._faults: list[Fault] = []
        self._requests: list[Request] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self.witness: Callable[[Message], bool] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where clients reach the proxy; no slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request since the start or the last `reset`, in the order of their ends."""
        return tuple(self._requests)

    def reset(self) -> None:
        """Forget requests and faults; latencies stay."""
        self._requests.clear()
        self._faults.clear()

    def count(self, method: str = "*", path: str = "*", target: str = "*") -> int:
        """Return how many of the requests are meant."""
        pattern = Pattern(method, path, target)
        return sum(pattern.matches(r.method, r.path, r.target, r.host) for r in self._requests)

    def tally(self, kinds: Mapping[str, Pattern]) -> Counter[str]:
        """Count by kind, the first that matches; others under `METHOD path` or their target."""
        found: Counter[str] = Counter()
        for r in self._requests:
            names = (k for k, p in kinds.items() if p.matches(r.method, r.path, r.target, r.host))
            found[next(names, r.target or f"{r.method} {r.path}")] += 1
        return found

    def fault(
        self,
        what: Cut | Flood | int,
        *,
        method: str = "*",
        path: str = "*",
        target: str = "*",
        nth: int = 1,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Fault:
        """Let something happen to the `nth` request from now on that is meant, counted from 1.

        Args:
            what: where it is cut, the status that is answered in the server's place, or how much
                too long the answer is.
            method, path, target: which requests are meant.
            nth, times: which of those are hit.
            headers, body: of the answer.
        """
        fault = Fault(what, Pattern(method, path, target), nth, times, headers or {}, body)
        self._faults.append(fault)
        return fault

    async def listen(self) -> None:
        """Begin to accept connections, in the loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=LIMIT_BYTES
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Refuse connections from now on, and end those there are."""
        self._in_loop(self.end())

    def open(self) -> None:
        """Accept connections again, on the same port; nothing changes if they are accepted."""
        self._in_loop(self._open())

    def _in_loop(self, change: Coroutine[None, None, None]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(change, self._loop).result(START_S)

    async def end(self) -> None:
        """Do so, in the loop that runs now."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._clients:
            writer.transport.abort()

    async def _open(self) -> None:
        if self._server is None:
            await self.listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on the requests of one connection, over one connection to the server."""
        # Waiting clients are cancelled when the proxy ends, which is worth no message.
        ends = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        self._clients.add(writer)
        try:
            with closing(writer), suppress(*ends):
                await Passage(self, self._target, reader, writer).run()
        finally:
            self._clients.discard(writer)

    def strike(self, request: Message) -> Fault | None:
        """Return what happens to a request; every fault it is meant by counts it."""
        told = _told(request)
        hit = [f for f in self._faults if f.pattern.matches(*told) and f.strikes()]
        return hit[0] if hit else None

    def delay_s(self, request: Message) -> float:
        """Return the latency of a request."""
        told = _told(request)
        for latency in self.latencies:
            if latency.pattern.matches(*told):
                jitter_ms = random.uniform(-latency.jitter_ms, latency.jitter_ms)
                return max(0.0, latency.ms + jitter_ms) / 1_000
        return 0.0

    def note(self, request: Message, answer: Message | None, started_s: float) -> None:
        """Enter a request into the book."""
        method, path, target, host = _told(request)
        status, received = (int(answer.first[1]), len(answer.body)) if answer else (0, 0)
        took_ms = (time.perf_counter() - started_s) * 1_000
        sent = len(request.body)
        entry = Request(method, path, host, target, status, sent, received, took_ms)
        self._requests.append(entry)


def _told(request: Message) -> tuple[str, str, str, str]:
    """Return what patterns see of a request: method, path, target, host."""
    headers = request.headers
    return request.first[0], request.first[1], headers.get(TARGET, ""), headers.get("host", "")


@contextmanager
def running(target: str, latencies: Sequence[Latency] = (), mount: str = "") -> Iterator[Proxy]:
    """Run a proxy before `target` in a thread of its own.

    Args:
        target: `http://host:port`.
        latencies: see `Latency`; may be replaced later, `proxy.latencies = (…)`.
        mount: see `Proxy`.
    """
    proxy = Proxy(target, latencies, mount)
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    end = asyncio.Event()

    async def serve() -> None:
        await proxy.listen()
        ready.set()
        await end.wait()
        await proxy.end()
        await _end_others()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(START_S), f"the proxy before {target} did not start"
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(START_S)
        loop.close()


async def _end_others() -> None:
    """End connections that still wait for something, and those that are just being accepted."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)
