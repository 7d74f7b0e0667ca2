"""``carseg batch``: tables that equal the plain loop, whatever the source, the restarts and the kills."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from carseg import Batch, DataError, ImageNotFoundError, OptionError, OutputError
from carseg.cli.main import main
from carseg.scale import Job, Summary, engines, run_job
from carseg.scale.chunks import chunks
from carseg.scale.shards import Destination

from color_hub import blocks

pytestmark = pytest.mark.usefixtures("blocks_hub")

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # the second ends a process at once on Windows


class Drawn(Batch):
    """Where it is unpickled the network's architecture is known, as it comes from the tests."""


class Killed(Drawn):
    """Its process is killed when it does the batch with the image ``4.png``, unless the file ``spared`` is there."""

    def __call__(self, rows: Any) -> Any:
        if "4.png" in rows["key"].to_pylist() and not Path("spared").exists():
            Path("spared").touch()
            os.kill(os.getpid(), KILL)
        return super().__call__(rows)


class Doomed(Drawn):
    """A process is killed that unpickles it, before it has loaded anything."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"import os; os.kill(os.getpid(), {int(KILL)})",)


@pytest.fixture(autouse=True)
def images(blocks_hub: Path) -> None:
    """Write seven images, the fifth of them broken, and one in a folder."""
    Path("photos/inner").mkdir(parents=True)
    for number in range(7):
        blocks(48 + number).save(f"photos/{number}.png")
    Path("photos/4.png").write_bytes(b"broken")
    blocks(99).save("photos/inner/x.png")
    Path("photos/.hidden.png").write_bytes(b"")
    Path("photos/notes.txt").write_text("no image")


KEYS = [f"{number}.png" for number in range(7)] + ["inner/x.png"]


def done(folder: str = "out") -> pd.DataFrame:
    """Return all rows of a job's results."""
    return pd.read_parquet(folder).sort_values("key", ignore_index=True)


def run_with_worker(source: str = "photos", folder: str = "out", batch: Batch | None = None, **more: Any) -> Summary:
    return run_job(Job(source, folder, rows=3, **more), batch or Drawn("blocks"), workers=1)


def run(*arguments: Any, **options: Any) -> Summary:
    """Do a job, but by a thread of this process: a worker would load torch first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "_processes", ThreadPoolExecutor)
        return run_with_worker(*arguments, **options)


def assert_whole() -> None:
    """Assert that ``out`` has the files of an undisturbed job in ``whole``, byte for byte."""
    assert {path.name for path in Path("out").iterdir()} == {path.name for path in Path("whole").iterdir()}
    for path in Path("whole").glob("*.parquet"):
        assert (Path("out") / path.name).read_bytes() == path.read_bytes()


def test_the_rows_are_those_of_the_plain_loop() -> None:
    summary = run_with_worker()
    assert (summary.images, summary.errors, summary.new, summary.complete) == (8, 1, 8, True)
    rows, batch = done(), Drawn("blocks")
    assert rows["key"].tolist() == KEYS
    assert rows.columns.tolist() == ["key", "path", "error", "width", "height", "parts"]
    plain = batch({"path": rows["path"].tolist(), "key": rows["key"].tolist()})
    assert [None if pd.isna(error) else error for error in rows["error"]] == plain["error"].tolist()
    for mine, theirs in zip(rows["parts"], plain["parts"], strict=True):
        if theirs is None:
            assert mine is None
        else:
            assert [part["rle"]["counts"] for part in mine] == [part["rle"]["counts"] for part in theirs]
    manifest = json.loads(Path("out/_manifest.json").read_text())
    assert (manifest["images"], manifest["errors"], len(manifest["files"])) == (8, 1, 3)
    assert manifest["sha256"] == batch.segmenter.info.sha256


def test_a_second_run_does_what_is_missing() -> None:
    run()
    lost, kept = Path("out/part-000001.parquet"), Path("out/part-000000.parquet")
    before, when = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    summary = run()
    assert (summary.images, summary.new) == (8, 3)
    assert lost.read_bytes() == before and kept.stat().st_mtime_ns == when


def test_parts_of_a_job_make_the_whole() -> None:
    run(folder="whole")
    first = run(shard=(1, 2))
    assert not first.complete and not Path("out/_manifest.json").exists()
    assert run(shard=(2, 2)).complete
    assert_whole()


def test_a_worker_that_is_killed_loses_and_doubles_nothing() -> None:
    run(folder="whole")
    summary = run_with_worker(batch=Killed("blocks"))
    assert Path("spared").exists() and summary.images == 8
    assert_whole()


def test_a_chunk_that_kills_every_worker_ends_the_job_with_its_name() -> None:
    with pytest.raises(Exception, match=r"killed 3 times.*chunk 0.*0\.png"):
        run_with_worker(batch=Doomed("blocks"))


def runs(process: str) -> bool:
    """Return whether a process, given by its number, has not ended; one that has may still be listed."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the workers are found in /proc")
@pytest.mark.parametrize("files", [0, 1])
def test_a_job_that_is_killed_outright_takes_its_workers_along_and_goes_on(files: int) -> None:
    run(folder="whole")
    workers: list[str] = []
    with subprocess.Popen([sys.executable, __file__, "photos", "out"]) as process:
        deadline = time.monotonic() + 60
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while process.poll() is None and time.monotonic() < deadline:
            if (workers := children.read_text().split()) and len(list(Path("out").glob("*.parquet"))) >= files:
                break
            time.sleep(0.01)
        process.kill()
    deadline = time.monotonic() + 60
    while any(map(runs, workers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(runs, workers))
    assert run().images == 8
    assert_whole()


def test_a_ray_cluster_that_loses_a_node_gives_the_very_same() -> None:
    pytest.importorskip("ray", reason="pip install 'carseg[ray]' for the test on a cluster")
    run(folder="whole")
    done = subprocess.run([sys.executable, __file__, "photos", "out", "ray"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_whole()
    assert json.loads(Path("out/_manifest.json").read_text())["images"] == 8


def tar(path: str) -> None:
    with tarfile.open(path, "w") as archive:
        for key in KEYS:
            archive.add(f"photos/{key}", key)
            archive.addfile(tarfile.TarInfo(f"{key}.json"), io.BytesIO())


def table(path: str) -> None:
    values = {"key": KEYS, "bytes": [Path("photos", key).read_bytes() for key in KEYS]}
    pq.write_table(pa.table(values), path, row_group_size=2)


@pytest.mark.parametrize("kind", ["list", "pattern", "tar", "parquet"])
def test_every_source_gives_the_same_parts(kind: str) -> None:
    run(folder="whole")
    source = {"list": "names.txt", "pattern": "photos/**/*.png", "tar": "photos.tar", "parquet": "photos.parquet"}[kind]
    if kind == "list":
        Path(source).write_text("".join(f"photos/{key}\n" for key in KEYS))
    elif kind == "tar":
        tar(source)
    elif kind == "parquet":
        table(source)
    run(source)
    expected, found = done("whole"), done()
    assert [Path(key).name for key in found["key"]] == [Path(key).name for key in KEYS]
    assert found["error"].isna().tolist() == expected["error"].isna().tolist()
    assert found["parts"].astype(str).tolist() == expected["parts"].astype(str).tolist()


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("photos/*.png", KEYS[:7]),
        ("photos/**/*.png", KEYS),
        ("photos/*/x.png", KEYS[7:]),
        ("photos/[0-2].png", KEYS[:3]),
    ],
)
def test_a_pattern_takes_what_is_visible_at_its_depth(pattern: str, keys: list[str]) -> None:
    Path("photos/.cache").mkdir()
    blocks().save("photos/.cache/x.png")
    found = [Path(key) for chunk in chunks(pattern, 2) for key in chunk.keys]
    assert [key.relative_to(Path("photos").absolute()).as_posix() for key in found] == keys


def test_images_from_a_store_go_to_a_store() -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    for key in KEYS:
        system.pipe_file(f"/store/{key}", Path("photos", key).read_bytes())
    batch, destination = Drawn("blocks"), Destination("memory://results/job")
    destination.begin({"job": 1})
    found = list(chunks("memory://store", 3))
    assert [key for chunk in found for key in chunk.keys] == KEYS
    written = [destination.write(batch, chunk) for chunk in found]
    assert [destination.done(chunk.number, chunk.digest) for chunk in found] == written
    assert sum(shard.errors for shard in written) == 1


def test_a_source_that_changed_is_noticed() -> None:
    run()
    blocks().save("photos/0a.png")
    with pytest.raises(OptionError, match=r"part-000000.parquet has other images.*source has changed"):
        run()


def test_a_folder_of_another_job_or_of_something_else_is_refused() -> None:
    run()
    with pytest.raises(OptionError, match="another job, which differs in settings"):
        run(batch=Drawn("blocks", min_area=0.5))
    with pytest.raises(OptionError, match="holds something other"):
        run(folder="photos")


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ("nowhere", ImageNotFoundError, "no image was found"),
        ("photos/inner/*.jpg", ImageNotFoundError, "no image was found"),
        ("missing.txt", DataError, "list of images"),
        ("broken.parquet", DataError, "as a table"),
        ("other.parquet", DataError, "neither a column bytes nor path, but file"),
        ("broken.tar", DataError, "as a tar"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(source: str, error: type, says: str) -> None:
    Path("broken.parquet").write_bytes(b"PAR1")
    Path("broken.tar").write_bytes(b"tar" * 999)
    pq.write_table(pa.table({"file": ["a"]}), "other.parquet")
    with pytest.raises(error, match=says):
        run(source)


def test_a_destination_that_cannot_be_written_is_named() -> None:
    Path("out").write_text("a file")
    with pytest.raises(OutputError, match="out"):
        run()


def test_work_begins_before_all_names_are_known() -> None:
    def endless() -> Any:
        with open("pipe.txt", "w") as file:
            file.writelines(f"{number}.png\n" for number in range(100_000))

    endless()
    first = next(chunks("pipe.txt", 10))
    assert first.keys == tuple(f"{number}.png" for number in range(10))


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_processes", ThreadPoolExecutor)
    arguments = ["batch", "photos/inner", "out", "--model", "blocks", "--runtime", "torch", "--workers", "1"]
    assert main(arguments) == 0
    assert "1 images" in capsys.readouterr().err
    Image.new("RGB", (9, 9)).save("photos/inner/y.png")
    assert main([*arguments[:2], "two", *arguments[3:], "--shard", "1/2", "--rows", "1"]) == 0
    assert "other parts of the job are still missing" in capsys.readouterr().err
    assert main([*arguments[:2], "two", *arguments[3:], "--shard", "2", "--rows", "1"]) == 2
    Path("photos/inner/z.png").write_bytes(b"")
    assert main([*arguments[:2], "three", *arguments[3:]]) == 1
    assert "1 images could not be read" in capsys.readouterr().err


def on_two_nodes(source: str, folder: str) -> None:
    """Do a job on a cluster of two nodes, of which one is taken away as soon as there is a result."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    node = cluster.add_node(num_cpus=1)
    # The workers have to find this module, in which the batch is defined.
    ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}})
    gone = False

    def lose_a_node(*_: int) -> None:
        nonlocal gone
        if not gone:
            cluster.remove_node(node)
            gone = True

    import test_batch_job

    run_job(Job(source, folder, rows=3), test_batch_job.Drawn("blocks"), engine="ray", progress=lose_a_node)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    if sys.argv[3:]:
        on_two_nodes(*sys.argv[1:3])
    else:
        import test_batch_job  # what is pickled has to be found by the workers

        run_job(Job(*sys.argv[1:3], rows=3), test_batch_job.Drawn("blocks"), workers=1)
