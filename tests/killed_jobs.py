"""A job of thousands of images that is killed again and again, and has the bytes of the plain loop in the end.

    python tests/killed_jobs.py local         # the command, killed outright at 15 moments and started again
    python tests/killed_jobs.py ray           # two nodes on this machine: a worker is killed, and then a node

Run by hand, on Linux, where ray is installed for the second; tests/test_batch_job.py is the short form.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from carseg import Batch
from carseg.scale import Job, run_job
from carseg.scale.chunks import chunks
from carseg.scale.shards import Destination

from color_hub import blocks, write_model

ROWS = 50


def main(
    engine: Annotated[str, typer.Argument(help="local or ray")],
    images: int = 5000,
    moments: Annotated[int, typer.Option(help="When the command is killed.")] = 15,
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        os.environ |= {"CARSEG_HUB": f"{scratch}/hub", "CARSEG_CACHE": f"{scratch}/cache"}
        write_model(Path("hub"))
        draw(images)
        batch = Batch("blocks", runtime="onnx")
        plain(batch)
        if engine == "ray":
            on_two_nodes(batch, images)
        else:
            killed(images // ROWS, moments)
        different = differences()
        print(f"{images} images, {len(list(Path('plain').iterdir()))} files: {len(different)} differ {different[:3]}")
    sys.exit(bool(different))


def draw(count: int) -> None:
    """Write images of a few sizes into folders of a thousand, every hundredth of them broken."""
    sizes = {side: Path(f"{side}.png") for side in (40, 52, 64)}
    for side, path in sizes.items():
        blocks(side).save(path)
    for number in range(count):
        path = Path(f"photos/{number // 1000}/{number:05}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sizes[(40, 52, 64)[number % 3]].read_bytes() if number % 100 else b"broken")


def plain(batch: Batch) -> None:
    """Do the job in a loop, in this process."""
    destination = Destination("plain")
    Path("plain").mkdir()
    for chunk in chunks("photos", ROWS):
        destination.write(batch, chunk)


def differences() -> list[str]:
    """Return the files that are not those of the plain loop."""
    expected, found = ({path.name: path.read_bytes() for path in Path(name).iterdir()} for name in ("plain", "out"))
    assert {"_job.json", "_manifest.json"} <= found.keys()
    return sorted(name for name in {*expected, *found} if name[0] != "_" and expected.get(name) != found.get(name))


def killed(files: int, moments: int) -> None:
    """Start the command until it comes to its end, and kill it and its workers so often before."""
    command = [sys.executable, "-m", "carseg", "batch", "photos", "out", "--model", "blocks", "--runtime", "onnx"]
    command += ["--rows", str(ROWS)]
    chance = random.Random(0)
    for moment in range(moments):
        start_and_kill(command, files * moment // moments, chance.uniform(0, 0.3))
        print(f"killed with {done()} of {files} files done", flush=True)
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    print(ended.stderr, end="")
    assert ended.returncode == 1  # some images are broken


def start_and_kill(command: list[str], files: int, seconds: float) -> None:
    """Start a command, and kill it with its workers some time after so many files are there."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        wait_for(lambda: process.poll() is not None or done() >= files)
        time.sleep(seconds)
        assert process.poll() is None, "it came to its end before it was killed"
        os.killpg(process.pid, signal.SIGKILL)


def done() -> int:
    """Return how many files of results are there."""
    return len(list(Path("out").glob("part-*.parquet")))


def wait_for(happens: Callable[[], Any], seconds: float = 600) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: it does not happen.
    """
    end = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {seconds} seconds")
        time.sleep(0.01)


def on_two_nodes(batch: Batch, images: int) -> None:
    """Do the job on a cluster of two nodes; one loses a worker, and later all its processes are killed."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    raylet = node.all_processes["raylet"][0].process.pid
    losses = [
        ("node", lambda: cluster.remove_node(node, allow_graceful=False)),
        ("worker", lambda: kill_worker(raylet)),
    ]

    def lose(count: int, _: int) -> None:
        if losses and count >= images * (3 - len(losses)) // 4:
            what, happen = losses.pop()
            print(f"a {what} is killed after {count} images")
            happen()

    print(run_job(Job("photos", "out", rows=ROWS), batch, engine="ray", progress=lose))
    assert not losses
    ray.shutdown()
    cluster.shutdown()


def kill_worker(raylet: int) -> None:
    """Kill the process of a node that does a chunk."""
    children = Path(f"/proc/{raylet}/task/{raylet}/children")

    def at_work() -> list[int]:
        ids = map(int, children.read_text().split())
        return [each for each in ids if Path(f"/proc/{each}/cmdline").read_bytes().startswith(b"ray::work")]

    wait_for(at_work)
    os.kill(at_work()[0], signal.SIGKILL)


if __name__ == "__main__":
    typer.run(main)
