"""Jobs on stores: what is missing there costs its image, a store that fails ends the job, which then goes on.

tests/jobs_on_s3.py does it with S3 itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fsspec", reason="pip install 'carseg[table]' for jobs on stores")

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import _registry

from carseg import Batch, DataError, MissingExtraError, OutputError
from carseg.scale.chunks import chunks
from carseg.scale.opening import file_system
from carseg.scale.shards import Destination

from color_hub import blocks

pytestmark = pytest.mark.usefixtures("blocks_hub")


class NoAnswerError(Exception):
    """Of no kind that Python knows, like those of most stores' packages."""


class Store(LocalFileSystem):
    """A store whose buckets are the folders of the working directory."""

    protocol = "s3"
    answers = True

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(path).removeprefix("s3://").rstrip("/")

    def unstrip_protocol(self, name: str) -> str:
        return f"s3://{self._strip_protocol(name)}"

    def _asked(self) -> None:
        if not Store.answers:
            raise NoAnswerError("Could not connect to the endpoint.")

    def exists(self, path: str, **more: Any) -> bool:
        self._asked()
        return super().exists(path, **more)

    def isdir(self, path: str) -> bool:
        self._asked()
        return super().isdir(path)

    def cat_file(self, path: str, **more: Any) -> bytes:
        self._asked()
        return super().cat_file(path, **more)

    def pipe_file(self, path: str, value: bytes, **more: Any) -> None:
        self._asked()
        super().pipe_file(path, value, **more)


@pytest.fixture(autouse=True)
def store(blocks_hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let S3 be such a store, with twelve images in a bucket."""
    monkeypatch.setattr(Store, "answers", True)
    monkeypatch.setitem(_registry, "s3", Store)
    Path("photos").mkdir()
    for number in range(12):
        blocks(40 + number).save(f"photos/{number:02}.png")


NAMES = np.array([f"s3://photos/{number:02}.png" for number in range(12)], object)


def test_an_object_that_is_missing_costs_its_row_alone() -> None:
    Path("photos/03.png").unlink()
    errors = Batch("blocks")({"path": NAMES})["error"]
    assert "s3://photos/03.png: no such file" in errors[3]
    assert [error for error in errors if error is None] == [None] * 11


def test_an_address_that_no_store_has_costs_its_row_alone() -> None:
    errors = Batch("blocks")({"path": ["nothing://photos/a.png", NAMES[0]]})["error"]
    assert "nothing://photos/a.png cannot be opened" in errors[0] and errors[1] is None


def test_a_bucket_that_is_gone_is_no_fault_of_its_images() -> None:
    Path("photos").rename("elsewhere")
    with pytest.raises(DataError, match=r"s3://photos/0.\.png: the bucket photos is not there; .*run it again"):
        Batch("blocks")({"path": NAMES})


def test_a_job_goes_on_when_the_store_is_back() -> None:
    Path("results").mkdir()
    batch, destination = Batch("blocks"), Destination("s3://results/job")
    destination.begin({"job": 1})
    first, second = chunks("s3://photos", 6)
    written = destination.write(batch, first)
    Store.answers = False
    for happens, error in (
        (lambda: next(chunks("s3://photos", 6)), DataError),
        (lambda: destination.write(batch, second), DataError),
        (lambda: destination.done(first.number, first.digest), OutputError),
        (lambda: destination.finish({}), OutputError),
    ):
        with pytest.raises(error, match=r"s3://|results/job") as caught:
            happens()
        assert "Could not connect to the endpoint; mend that and run it again, and it goes on" in str(caught.value)
    Store.answers = True
    assert destination.done(first.number, first.digest) == written
    assert destination.done(second.number, second.digest) is None
    assert destination.write(batch, second).errors == 0


def test_a_store_whose_package_is_missing_is_answered_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks_it(*_: object) -> None:
        raise ImportError("Install s3fs to access S3") from ModuleNotFoundError(name="s3fs")

    monkeypatch.setattr(fsspec.core, "url_to_fs", lacks_it)
    with pytest.raises(MissingExtraError, match="s3://photos needs s3fs: pip install s3fs"):
        file_system("s3://photos")
