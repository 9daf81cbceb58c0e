"""Clients of a service, in a process of their own: each asks, waits for the answer, asks again.

Contract: a script, run by path, of the standard library alone, so that it takes little of the
machine. Its argument is a JSON object: ``address``, ``path``, ``bodies`` (a file of JSON objects, a
line each, with ``turns`` and ``body``), ``clients``, ``seconds`` or ``requests`` (whichever ends
first), ``leaving`` (the share of requests whose client leaves before the answer), ``seed``. It
prints one JSON object: what was answered, how long it took, what failed, and its own CPU time.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LONGEST_STAY = 0.5
"""Seconds after which a client that leaves has left."""
PATIENCE = 120.0


@dataclass(slots=True)
class Tally:
    """What the clients saw.

    Attributes:
        turns: Answered.
        latencies: Seconds per answered request.
        statuses: Status → requests.
        left: Requests whose client left.
        failures: What went wrong otherwise → how often.
    """

    turns: int = 0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    left: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Connection:
    """A connection that is kept and made anew when it has ended."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, body: bytes, stay: float | None) -> int | None:
        """The status of the answer; ``None`` if the client leaves after ``stay`` seconds."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(
            f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        try:
            async with asyncio.timeout(PATIENCE if stay is None else stay):
                return await self._status(reader)
        except TimeoutError:
            if stay is None:
                raise
            self.close()
            return None

    async def _status(self, reader: asyncio.StreamReader) -> int:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next(
            int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-len")
        )
        await reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        return int(head.split()[1])

    def close(self) -> None:
        """End it; the next request opens another."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


async def ask(wanted: dict[str, Any]) -> Tally:
    """Let the clients ask until the time, or the number of requests, is up."""
    lines = Path(wanted["bodies"]).read_text("utf-8").splitlines()
    bodies = [(one["turns"], json.dumps(one["body"]).encode()) for one in map(json.loads, lines)]
    numbers, tally = count(), Tally()
    end = time.monotonic() + (wanted["seconds"] or 1e9)
    most = wanted["requests"] or sys.maxsize
    where = urlsplit(wanted["address"])

    async def client(seed: int) -> None:
        rng = random.Random(seed)
        connection = Connection(where.hostname or "", where.port or 80)
        while time.monotonic() < end and (number := next(numbers)) < most:
            turns, body = bodies[number % len(bodies)]
            leaves = rng.random() < wanted["leaving"]
            stay = rng.random() * LONGEST_STAY if leaves else None
            began = time.monotonic()
            try:
                status = await connection.ask(wanted["path"], body, stay)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                tally.failures[type(error).__name__] += 1
                connection.close()
                continue
            if status is None:
                tally.left += 1
                continue
            tally.statuses[status] += 1
            if status == 200:
                tally.turns += turns
                tally.latencies.append(time.monotonic() - began)
            else:
                await asyncio.sleep(0.1)
        connection.close()

    await asyncio.gather(*(client(wanted["seed"] + n) for n in range(wanted["clients"])))
    return tally


def main() -> None:
    """Ask, and print what came of it."""
    wanted = json.loads(sys.argv[1])
    start, cpu = time.monotonic(), time.process_time()
    tally = asyncio.run(ask(wanted))
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - start,
                "cpu_seconds": time.process_time() - cpu,
                "turns": tally.turns,
                "latencies": tally.latencies,
                "statuses": {str(status): n for status, n in tally.statuses.items()},
                "left": tally.left,
                "failures": dict(tally.failures),
            }
        )
    )


if __name__ == "__main__":
    main()
