"""``python -m tests.faults [--short] [COMMAND ...]``: try every operation of the commands, or of those named."""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import importlib
import io
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' own modules

import torch

from carseg.cli import process
from carseg.cli.main import main as carseg_main

from faults.commands import COMMANDS, Command, arguments, serving, write_inputs
from faults.operations import HANG_UP, KILL
from faults.trial import Bench, Broken, faults
from modules import module

EXHAUSTIVE = ("predict", "download", "convert")  # the others are stopped at each line once
SLOW = ("finetune", "export onnx", "export openvino")


def main() -> int:
    """Try the commands, print what is wrong, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("--short", action="store_true", help="a part that takes half a minute")
    options = parser.parse_args()
    torch.set_num_threads(1)
    process.prepare()
    module("hub.resolve").installed_from = list
    module("hub.http")._DELAYS = (0.01,)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        inputs = write_inputs(Path(folder, "inputs").resolve())
        with serving(inputs / "hub") as address:
            for name in options.names or [each for each in COMMANDS if not options.short or each != "export openvino"]:
                failures += _try(name, Path(folder, name).resolve(), inputs, address, short=options.short)
    print("every run left whole files only" if not failures else f"{failures} trials went wrong")
    return int(failures > 0)


def _try(name: str, work: Path, inputs: Path, address: str, *, short: bool) -> int:
    """Try a command; return how often something was wrong."""
    began, wrong, count = time.monotonic(), 0, 0
    for imported in COMMANDS[name].imports:
        importlib.import_module(imported)
    if name in EXHAUSTIVE:
        _warm_up(COMMANDS[name], work, inputs, address)
    bench = Bench(COMMANDS[name], inputs, address, work)
    numbers = list(range(1, len(bench.steps) + 1)) if name in EXHAUSTIVE else bench.sites()
    planned = list(faults(numbers))
    if name not in EXHAUSTIVE:
        planned = [fault for fault in planned if fault.error in (errno.ENOSPC, KILL, HANG_UP) and not fault.lasting]
    if short:
        some = 2 if name in SLOW else 6
        planned = [planned[(i * len(planned) // some + i) % len(planned)] for i in range(some)]
    for fault in planned:
        count += 1
        try:
            bench.trial(fault)
        except Broken as error:
            wrong += 1
            print(f"{name}: {error}", flush=True)
    told = f"{len(bench.steps)} operations, {count} trials, {wrong} wrong, {time.monotonic() - began:.0f} s"
    print(f"{name}: {told}", flush=True)
    return wrong


def _warm_up(command: Command, folder: Path, inputs: Path, address: str) -> None:
    """Run a command in this process, for all that it imports, which its children then need not do."""
    warm = folder.with_name(f"{folder.name} warm")
    warm.mkdir()
    os.environ.update(CARSEG_HUB=str(inputs / "hub"), CARSEG_CACHE=str(warm / "cache"))
    with contextlib.chdir(warm), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        carseg_main(arguments(command.argv, inputs, address))
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
