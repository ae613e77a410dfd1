"""A worker process that answers one line with one line, may die or hang, and is then started again."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).parent


class Worker:
    """The process, and one question at a time to it. Its first line says that it is ready: it is in ``ready``."""

    def __init__(self, command: Sequence[str], seconds: float, start_seconds: float) -> None:
        self._seconds = seconds
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
            env={**os.environ, "PYTHONPATH": str(TESTS)}, cwd=TESTS.anchor)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self.ready = self.read(start_seconds)

    def ask(self, question: str) -> dict:
        self._process.stdin.write(question.encode() + b"\n")
        self._process.stdin.flush()
        return self.read(self._seconds)

    def read(self, seconds: float) -> dict:
        if not self._selector.select(seconds):
            self.stop()
            return {"hung": f"no answer within {seconds:g} s"}
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        status = self._process.wait()
        self._stderr.seek(0)
        tail = self._stderr.read().decode(errors="replace")[-2000:]
        self.stop()
        return {"died": f"exit status {status}\n{tail}"}

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._selector.close()
        self._process.stdin.close()
        self._process.stdout.close()
        self._stderr.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None


class Workers:
    """Asks a worker, and starts the next one after a death; use as a context manager."""

    def __init__(self, *command: str, seconds: float, start_seconds: float = 60.0) -> None:
        self._make = lambda: Worker(command, seconds, start_seconds)
        self._worker: Worker | None = None

    def ask(self, question: str) -> dict:
        if self._worker is None or not self._worker.alive:
            self._worker = self._make()
            assert "ready" in self._worker.ready, self._worker.ready
        return self._worker.ask(question)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._worker is not None and self._worker.alive:
            self._worker.stop()
