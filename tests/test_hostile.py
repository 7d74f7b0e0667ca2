"""A part of what tests/hostile.py and tests/mutants.py try, which are run as a whole by hand (CONTRIBUTING.md)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from carseg.hub.manifest import ROOT

from mutants import run

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited as on Linux")


def test_hostile_files_end_in_carsegs_own_errors_soon_and_in_little_memory() -> None:
    command = [sys.executable, str(ROOT / "tests/hostile.py"), "--every", "19"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]


def test_so_do_images_that_are_changed_at_random() -> None:
    done, wrong = run(6)
    assert done >= 100 and wrong == []
