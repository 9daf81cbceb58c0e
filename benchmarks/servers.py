"""The servers that are measured, each a process that ends with the block that started it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.children import HERE, PATIENCE, ChildError, ended_with
from benchmarks.timing import Watch

_PAUSE = 0.2
_LISTENING = re.compile(r'"event": "listening", "address": "([^"]+)"')


@dataclass(frozen=True, slots=True)
class Asked:
    """What clients got of a server.

    Attributes:
        turns: Answered.
        seconds: How long it took.
        server_cpu: Processor seconds of the server.
        clients_cpu: Processor seconds of the clients.
        others: The share of the processors that all others got.
        latencies: Seconds per answered request, sorted.
        statuses: Status → requests.
        left: Requests whose client left.
        failures: What went wrong otherwise → how often.
    """

    turns: int
    seconds: float
    server_cpu: float
    clients_cpu: float
    others: float
    latencies: tuple[float, ...]
    statuses: Mapping[str, int]
    left: int
    failures: Mapping[str, int]

    def percentile(self, share: float) -> float:
        """The latency that a share of the requests stays within, in milliseconds."""
        place = min(len(self.latencies) - 1, int(share * len(self.latencies)))
        return 1000 * self.latencies[place] if self.latencies else float("nan")


class Server:
    """A server in a process of its own.

    Args:
        process: The process.
        address: Where it listens.
    """

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = psutil.Process(process.pid)
        self.address = address

    def asked(
        self,
        path: str,
        bodies: Path,
        *,
        clients: int,
        seconds: float | None = None,
        requests: int | None = None,
        leaving: float = 0.0,
        seed: int = 0,
    ) -> Asked:
        """Let clients ask it, from a process of their own.

        Args:
            path: The route.
            bodies: A file of what :mod:`benchmarks.http_clients` sends.
            clients: How many ask side by side.
            seconds: How long.
            requests: How many in all.
            leaving: The share of requests whose client leaves before the answer.
            seed: Of who leaves when.

        Raises:
            ChildError: The clients failed.
        """
        wanted = {
            "address": self.address,
            "path": path,
            "bodies": str(bodies),
            "clients": clients,
            "seconds": seconds,
            "requests": requests,
            "leaving": leaving,
            "seed": seed,
        }
        command = [sys.executable, "-P", str(HERE / "http_clients.py"), json.dumps(wanted)]
        before = self._cpu()
        with Watch() as watch:
            found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode:
            raise ChildError(f"the clients failed: {found.stderr.strip()[-300:]}")
        said: dict[str, Any] = json.loads(found.stdout)
        return Asked(
            said["turns"],
            said["seconds"],
            self._cpu() - before,
            said["cpu_seconds"],
            watch.others,
            tuple(sorted(said["latencies"])),
            said["statuses"],
            said["left"],
            said["failures"],
        )

    def _cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def our_server(options: Sequence[str]) -> Iterator[Server]:
    """``sentixrl serve``, once it listens."""
    command = [sys.executable, "-m", "sentixrl", "serve", "--port", "0", *options]
    with ended_with(
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ) as process:
        yield Server(process, _announced(process))


@contextmanager
def transformers_server(model: Path, dtype: str) -> Iterator[Server]:
    """``transformers serve``, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", str(port), "--dtype", dtype, "--device", "cpu"]
    code = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", code, "serve", str(model), *options]
    with (
        tempfile.TemporaryFile() as log,
        ended_with(subprocess.Popen(command, stdout=log, stderr=log, text=True)) as process,
    ):
        address = f"http://127.0.0.1:{port}"
        if not _comes_up(process, address):
            log.seek(0)
            last = log.read().decode(errors="replace").strip().splitlines()[-1:]
            raise ChildError(f"transformers serve did not start: {' '.join(last)}")
        yield Server(process, address)


def _announced(process: subprocess.Popen[str]) -> str:
    """The address that a service says it listens at; its later lines are read and dropped."""
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if found := _LISTENING.search(line):
            threading.Thread(target=list, args=[process.stderr], daemon=True).start()
            return found[1]
    raise ChildError(f"the service did not start: {''.join(said[-3:]).strip()}")


def _comes_up(process: subprocess.Popen[str], address: str) -> bool:
    """Whether a server answers before it ends, or patience does."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return True
        except OSError:
            time.sleep(_PAUSE)
    return False
