"""Benchmarks that go wrong: a process that dies, broken images, wrong usage, an interrupt."""

from __future__ import annotations

import re

import pytest

import carseg
from carseg.errors import DataError, OptionError, UnknownNameError

from benchmark_hub import QUICK, write_hub
from drawn_data import index_folder
from modules import module


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return write_hub(tmp_path_factory.mktemp("hub"))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ran out of memory"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with status -11"),
        ("import sys; sys.exit('no such thing')", "no such thing"),
        ("print('{\"figures\": {\"gmacs\": 7}}'); print('{\"figu', end=''); raise SystemExit(3)", "status 3"),
    ],
)
def test_a_process_that_dies_is_a_row(code, error, hub, monkeypatch):
    monkeypatch.setattr(module("benchmarking.benchmark"), "_START", code.replace("{", "{{").replace("}", "}}"))
    [row] = carseg.benchmark("doors", hub=str(hub), **QUICK)
    assert error in row["error"]
    assert row["gmacs"] == (7 if "gmacs" in code else None)
    assert row["weights_sha256"]


def test_broken_images_are_all_named_and_speed_is_still_there(tmp_path, hub):
    index_folder(tmp_path, ["a", "b", "c", "d"])
    (tmp_path / "images" / "b.png").write_bytes(b"")
    (tmp_path / "masks" / "d.png").write_bytes(b"no image")
    [row] = carseg.benchmark("doors", tmp_path, hub=str(hub), **QUICK)
    assert re.search(r"\bb: .*\n.*\bd: ", row["error"])
    assert row["miou"] is None
    assert row["ms_p50"] > 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([],), OptionError),
        (("doors", "no/such/folder"), DataError),
        (("doors", None, {"seconds": 0}), OptionError),
        (("doors", None, {"split": "test"}), OptionError),
        (("doors", None, {"merge": {"door": "car"}}), OptionError),
        (("doors", None, {"threads": 0}), OptionError),
        (("doors", None, {"runtime": "tensorflow"}), UnknownNameError),
        (("doors", None, {"precision": "float8"}), UnknownNameError),
    ],
)
def test_wrong_usage_is_an_error_before_anything_is_measured(arguments, expected):
    models, data, options = (*arguments, None, None)[:3]
    with pytest.raises(expected):
        carseg.benchmark(models, data, **(options or {}))


def test_an_interrupted_benchmark_leaves_no_process_behind(hub, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    code = "import time; print('{\"progress\": [\"latency\", 1, 2]}', flush=True); time.sleep(5); open(PATH, 'w')"
    code = code.replace("PATH", repr(str(tmp_path / "still there")))
    monkeypatch.setattr(module("benchmarking.benchmark"), "_START", code.replace("{", "{{").replace("}", "}}"))
    with pytest.raises(KeyboardInterrupt):
        carseg.benchmark("doors", hub=str(hub), report=interrupt, **QUICK)
    assert not (tmp_path / "still there").exists()
