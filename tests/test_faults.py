"""A part of ``python -m tests.faults``: a fault at any operation leaves whole files, and a second run nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from carseg.hub.manifest import ROOT


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="trials are forks of a process that has loaded all")
def test_a_fault_at_any_operation_leaves_whole_files_and_a_sentence() -> None:
    command = [sys.executable, "-m", "tests.faults", "--short"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count(" 0 wrong") >= 7
