"""A job from a bucket into a bucket, of a store on this machine: workers are killed, buckets and the store disappear.

    pip install 'moto[server]' s3fs
    python tests/jobs_on_s3.py

Run by hand, on Linux, in an environment of its own; tests/test_stores.py is the short form.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pandas as pd
import requests
import s3fs

import carseg

from color_hub import write_model
from killed_jobs import draw, wait_for

IMAGES, ROWS = 600, 20
COMMAND = [sys.executable, "-m", "carseg", "batch", "--model", "blocks", "--runtime", "onnx", "--workers", "1"]
COMMAND += ["--rows", str(ROWS)]


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        os.environ |= {"CARSEG_HUB": f"{scratch}/hub", "CARSEG_CACHE": f"{scratch}/cache"}
        os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        write_model(Path("hub"))
        carseg.load("blocks", runtime="onnx").close()  # so that the command finds its graph in the cache
        draw(IMAGES)
        expected = rows(end(start("photos", "here")), "here")
        port = free_port()
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
        with store(port) as process:
            fill()
            job = start("s3://photos", "s3://results/job")
            wait_for(lambda: written("s3://results/job") >= 5)
            kill_worker(job)
            same("from bucket to bucket, a worker killed", rows(end(job), "s3://results/job"), expected)

            job = start("s3://photos", "there")
            wait_for(lambda: written("there") >= 5)
            reset()
            ends_with_a_sentence("the bucket of the images disappears", job)
            fill()
            same("goes on", rows(end(start("s3://photos", "there")), "there"), expected)

            job = start("photos", "s3://results/job")
            wait_for(lambda: written("s3://results/job") >= 5)
            reset()
            ends_with_a_sentence("the bucket of the results disappears", job)

            fill()
            job = start("s3://photos", "s3://results/job")
            wait_for(lambda: written("s3://results/job") >= 5)
            process.kill()
            ends_with_a_sentence("the store is killed", job)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def store(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a store for the time of a block."""
    server = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with Path("store.log").open("wb") as log, subprocess.Popen(server, stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: answers(port))
            yield process
        finally:
            process.kill()


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def reset() -> None:
    """Let all buckets disappear at once."""
    requests.post(f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset").raise_for_status()


def fill() -> None:
    """Make both buckets, and put the images into one."""
    system = s3fs.S3FileSystem()
    system.mkdir("photos")
    system.mkdir("results")
    system.put("photos/", "photos/", recursive=True)


def written(folder: str) -> int:
    """Return how many files of results are there."""
    system, place = fsspec.core.url_to_fs(folder)
    system.invalidate_cache()
    return len(system.glob(f"{place}/part-*"))


def start(source: str, folder: str) -> subprocess.Popen[bytes]:
    with Path("log").open("wb") as log:
        return subprocess.Popen([*COMMAND, source, folder], stderr=log)


def end(job: subprocess.Popen[bytes]) -> str:
    """Return what a job says that comes to its end; some of its images are broken."""
    status, said = job.wait(), Path("log").read_text()
    assert status == 1 and "could not be read: their rows" in said, said
    return next(line for line in said.splitlines() if "images done" in line)


def ends_with_a_sentence(what: str, job: subprocess.Popen[bytes]) -> None:
    status, said = job.wait(), Path("log").read_text()
    print(f"{what}: ended with {status}\n  {said.strip().splitlines()[-1]}", flush=True)
    assert status == 1 and "Traceback" not in said, said


def kill_worker(job: subprocess.Popen[bytes]) -> None:
    for child in map(int, Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()):
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(child, signal.SIGKILL)


def rows(said: str, folder: str) -> pd.DataFrame:
    """Return what came out, without what differs by where the images are."""
    print(f"  {said}", flush=True)
    return pd.read_parquet(folder).drop(columns=["path", "error"]).astype(str)


def same(what: str, found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert found.equals(expected), found.compare(expected)
    print(f"{what}: {len(found)} rows equal those of the same job on this machine", flush=True)


if __name__ == "__main__":
    main()
