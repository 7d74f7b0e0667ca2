"""A model in a process that was forked: it answers, or says at once why it cannot."""

from __future__ import annotations

import multiprocessing
import re
from pathlib import Path

import pytest

from entries import start

TESTS = Path(__file__).parent
# In a process of its own: what torch has started there, no other test has to live with.
SCRIPT = """
import multiprocessing, pickle, sys
sys.path.insert(0, {tests!r})
import torch, carseg
from color_hub import blocks

def load():
    return carseg.load("blocks", runtime={runtime!r}, precision="float32", device="cpu", threads={threads})

def loaded_after():
    return load().predict(blocks())

def unpickled_after():
    return pickle.loads(content).predict(blocks())

def never_used():
    return model.predict(blocks())

def used():
    return model.predict(blocks())

def one_thread():
    torch.set_num_threads(1)
    return model.predict(blocks())

def worker(work, connection):
    try:
        connection.send(work().mask.shape)
    except Exception as error:
        connection.send(f"{{type(error).__name__}} {{error}}")

model = load()
content = pickle.dumps(model)
for work in ({works}):
    if work is used:
        model.predict(blocks())
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=worker, args=(work, there), daemon=True)
    process.start()
    print(work.__name__, here.recv() if here.poll(30) else "hangs")
    process.kill()
"""
pytestmark = [
    pytest.mark.usefixtures("blocks_hub"),
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork"),
]


def forked(runtime: str, threads: int, works: str) -> list[str]:
    """Return what the workers of a model that was loaded before the fork say."""
    script = SCRIPT.format(tests=str(TESTS), runtime=runtime, threads=threads, works=works)
    output, errors = start(script).communicate(timeout=120)
    assert len(output.splitlines()) == works.count(","), errors
    return output.splitlines()


def test_torch_says_so_at_once() -> None:
    *told, one_thread = forked("torch", 2, "never_used, loaded_after, unpickled_after, used, one_thread,")
    for said in told:
        assert re.match(r"\w+ ForkError torch cannot compute on cpu in process \d+, which was forked", said)
        assert "spawn or forkserver" in said and "torch.set_num_threads(1)" in said
    assert one_thread == "one_thread (64, 96)"


@pytest.mark.parametrize(
    ("runtime", "threads", "package"), [("torch", 1, "torch"), ("openvino", 2, "openvino"), ("onnx", 2, "onnxruntime")]
)
def test_without_torchs_threads_it_answers(runtime: str, threads: int, package: str) -> None:
    pytest.importorskip(package)
    said = forked(runtime, threads, "never_used, loaded_after, unpickled_after, used,")
    assert said == [f"{work} (64, 96)" for work in ("never_used", "loaded_after", "unpickled_after", "used")]


def test_who_gives_a_pool_the_model_hears_of_it() -> None:
    code = f"""
import multiprocessing, sys
sys.path.insert(0, {str(TESTS)!r})
import carseg
from color_hub import blocks

def predict(model):
    return model.predict(blocks()).mask

model = carseg.load("blocks", runtime="torch", precision="float32", device="cpu", threads=2)
with multiprocessing.get_context("fork").Pool(1) as pool:
    try:
        pool.apply_async(predict, (model,)).get(timeout=30)
    except carseg.CarsegError as error:
        print(type(error).__name__)
"""
    output, errors = start(code).communicate(timeout=90)
    assert output == "ForkError\n", errors


def test_workers_of_a_data_loader_answer() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import torch, carseg
from color_hub import blocks
model = carseg.load("blocks", runtime="torch", precision="float32", device="cpu", threads=2)

class Masks(torch.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return model.predict(blocks()).mask

for masks in torch.utils.data.DataLoader(Masks(), num_workers=1, multiprocessing_context="fork"):
    print(tuple(masks.shape))
"""
    output, errors = start(code).communicate(timeout=90)
    assert output == "(1, 64, 96)\n(1, 64, 96)\n", errors
