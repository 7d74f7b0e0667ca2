"""Processes that take turns at the same work, so that they meet the same load of the machine.

A worker is a module run as ``python -m MODULE --work JOB``: it answers every line of JSON on its standard input with
one on its standard output.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any


class Workers:
    """Processes by name; ending the block ends them.

    Args:
        module: what they run.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def start(self, name: str, job: dict[str, Any]) -> None:
        """Start a process; it gets its job, which is JSON."""
        command = [sys.executable, "-m", self._module, "--work", json.dumps(job)]
        self._processes[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, name: str, question: Any) -> Any:
        """Return the answer of a process; end the program where it has died."""
        process = self._processes[name]
        assert process.stdin is not None and process.stdout is not None
        print(json.dumps(question), file=process.stdin, flush=True)
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{name}: its process ended with status {process.wait()}")
        return json.loads(line)


def answer(reply: Callable[[Any], Any]) -> None:
    """Reply, in a worker, until nobody asks any more."""
    for line in sys.stdin:
        print(json.dumps(reply(json.loads(line))), flush=True)
