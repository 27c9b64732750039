"""Servers under measurement: started as processes of their own, their CPU time read from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 20.0


class ServerFailed(Exception):
    """A server did not start, or ended while it was measured."""


class MeasurementFailed(Exception):
    """A server said it had done what it had not done, or did not do what it had to."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A process, with one listening port or (0) with none; its output goes to `log`."""

    def __init__(self, name: str, arguments: Sequence[str], port: int, log: Path,
                 environment: Mapping[str, str] | None = None) -> None:
        self.name, self.port, self._log = name, port, log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **(environment or {})})
        if port:
            self._await_port()
        self._seen = psutil.Process(self._process.pid)

    def cpu(self) -> float:
        """CPU seconds, user and system, of the process and its children since they started."""
        return sum(self.cpu_apart())

    def cpu_apart(self) -> tuple[float, float]:
        """The same as (the process itself, its children)."""
        if self._process.poll() is not None:
            raise ServerFailed(f"{self.name} ended with {self._process.returncode}:\n{self._tail()}")
        return _seconds(self._seen), sum(_seconds(child) for child in self._seen.children(recursive=True))

    def resident(self) -> int:
        """Bytes of memory that the process itself holds, without its children."""
        return int(self._seen.memory_info().rss)

    def stop(self) -> None:
        """Ask it to end; after ten seconds, make it. Its process group is its own."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _await_port(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerFailed(f"{self.name} did not start:\n{self._tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise ServerFailed(f"{self.name} did not listen within {_START_SECONDS:.0f} s:\n{self._tail()}")

    def _tail(self) -> str:
        return self._log.read_text("utf-8", "replace")[-2000:]


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def konsil(name: str, config: Path, log: Path, *arguments: str, port: int = 0) -> Server:
    """A process of the program itself, quiet unless something is wrong, and without a limit to what one sibling may send or one
    doctor's apps may ask: it is measured how much it can take."""
    return Server(name, ["-m", "instance", "--config", str(config), *arguments], port, log,
                  {"KONSIL_LOG__LEVEL": "warning", "KONSIL_FEDERATION__SIBLING_REQUESTS_PER_SECOND": "1000000",
                   "KONSIL_CLIENTS__REQUESTS": "1000000"})
