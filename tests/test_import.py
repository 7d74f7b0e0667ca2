"""The cost of importing carseg."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import carseg

PACKAGE = Path(carseg.__file__).parent
HEAVY = {"torch", "torchvision", "timm", "numpy", "PIL", "requests", "huggingface_hub", "safetensors", "rich"}
WITH_ARRAYS = HEAVY - {"numpy", "PIL"}
WITH_TABLES = HEAVY - {"rich"}


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import carseg; carseg.list_models(); carseg.TrainingConfig; carseg.CarsegError; carseg.register", HEAVY),
        ("import carseg.data, carseg.evaluation, carseg.images, carseg.inference, carseg.runtimes", WITH_ARRAYS),
        ("from carseg.cli import main; main(['--version'])", HEAVY),
        ("from carseg.cli import main; main(['--help'])", HEAVY),
        ("from carseg.cli import main; main(['models'])", WITH_TABLES),
        ("from carseg.cli import main; main(['finetune', '--help'])", HEAVY),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(statement, heavy):
    code = f"{statement}\nimport sys, json\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert heavy.isdisjoint(json.loads(run.stdout.splitlines()[-1]))


def test_the_version_needs_no_command_line_library():
    code = "from carseg.cli import main; main(['--version']); import sys; assert 'typer' not in sys.modules"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert run.stdout == f"carseg {carseg.__version__}\n"


@pytest.mark.parametrize("name", carseg.__all__)
def test_public_names_are_there(name):
    assert getattr(carseg, name) is not None
    assert name in dir(carseg)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        carseg.lod  # noqa: B018


def test_no_module_bears_a_public_function_s_name():
    functions = {name for name in carseg.__all__ if callable(getattr(carseg, name))}
    assert functions.isdisjoint(path.stem for path in PACKAGE.iterdir())
