"""Servers that are slow, busy or inconsistent, and caches that cannot be locked or written."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from carseg.errors import HubError
from carseg.hub.http import read_url
from carseg.hub.model_info import ModelInfo
from carseg.hub.resolve import find_info, resolve

from entries import CONTENT, FILE, put, start
from modules import module
from server import Server

pytestmark = pytest.mark.usefixtures("own_cache")

IMAGE = "/car.jpg"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds that are waited, which pass at once."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


@pytest.fixture
def image(server: Server) -> str:
    """Return the address of an image."""
    server.files[IMAGE] = CONTENT
    return f"{server.url}{IMAGE}"


class TestPace:
    @pytest.fixture(autouse=True)
    def patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module("hub.http"), "_PATIENCE", 0.2)

    def test_a_drip_that_never_ends_is_given_up(self, server: Server, image: str) -> None:
        server.faults[IMAGE] = ["drip"]
        with pytest.raises(HubError, match=r"car.jpg cannot be fetched: it is too slow: \d+ bytes came in"):
            read_url(image)
        assert server.starts(IMAGE) == [0]

    def test_so_is_one_in_crumbs(
        self, server: Server, image: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module("hub.http"), "_SLOWEST", 10**6)
        server.faults[IMAGE] = ["crumb"] * len(CONTENT)
        with pytest.raises(HubError, match="the connection failed"):
            read_url(image)
        assert server.starts(IMAGE) == [0, 1, 2, 3]

    def test_time_in_which_nothing_came_does_not_count(
        self, server: Server, image: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module("hub.http"), "_ANSWER", 0.3)
        server.faults[IMAGE] = ["dawdle", "dawdle", "slow"]
        assert read_url(image) == CONTENT

    @pytest.mark.parametrize("times", [2, 4])
    def test_a_head_in_crumbs_is_not_waited_for(
        self, server: Server, image: str, waits: list[float], monkeypatch: pytest.MonkeyPatch, times: int
    ) -> None:
        monkeypatch.setattr(module("hub.http"), "_ANSWER", 0.3)
        server.faults[IMAGE] = ["dawdle"] * times
        if times == 2:
            assert read_url(image) == CONTENT
        else:
            with pytest.raises(HubError, match="no answer in time"):
                read_url(image)

    def test_the_next_hub_takes_over(self, server: Server, known: Callable[..., ModelInfo]) -> None:
        server.files["/slow/my-unet/model.safetensors"] = CONTENT
        server.faults["/slow/my-unet/model.safetensors"] = ["drip"]
        known(f"{server.url}/slow", f"{server.url}/hub")
        assert resolve("my-unet").path.read_bytes() == CONTENT

    def test_what_is_slow_but_comes_is_waited_for(self, server: Server, image: str) -> None:
        server.faults[IMAGE] = ["slow"]  # half a second
        assert read_url(image) == CONTENT


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    def test_seconds_and_dates_are_honoured(self, server: Server, image: str, waits: list[float], status: int) -> None:
        server.faults[IMAGE] = [status]
        server.headers[IMAGE] = {"Retry-After": "7"}
        assert read_url(image) == CONTENT
        server.faults[IMAGE] = [status]
        server.headers[IMAGE] = {"Retry-After": formatdate(time.time() + 30, usegmt=True)}
        assert read_url(image) == CONTENT
        assert waits[0] == 7
        assert 25 < waits[1] <= 30

    @pytest.mark.parametrize("nonsense", ["soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", ""])
    def test_what_asks_for_no_time_changes_nothing(
        self, server: Server, image: str, waits: list[float], nonsense: str
    ) -> None:
        server.faults[IMAGE] = [503]
        server.headers[IMAGE] = {"Retry-After": nonsense}
        assert read_url(image) == CONTENT
        assert waits == [0.01]  # as the fixture own_cache has it

    def test_longer_than_a_minute_is_an_error_at_once(self, server: Server, image: str, waits: list[float]) -> None:
        server.faults[IMAGE] = [503]
        server.headers[IMAGE] = {"Retry-After": "3600"}
        with pytest.raises(HubError, match="503 Service Unavailable, and asks to wait for 3600 s"):
            read_url(image)
        assert waits == []


class TestParts:
    @pytest.mark.parametrize("then", [[], ["stale"], ["shifted"], ["whole"]])
    def test_parts_of_two_images_are_never_joined(self, server: Server, image: str, then: list[int | str]) -> None:
        server.faults[IMAGE] = ["changed", *then]
        assert read_url(image) == CONTENT[::-1]

    def test_nor_those_of_two_configs(self, server: Server, tmp_path: Path) -> None:
        config = (put(tmp_path / "local").parent / "config.json").read_bytes()
        path = "/hub/my-unet/config.json"
        server.files[path] = config[::-1]
        server.faults[path] = ["changed"]
        assert find_info("my-unet", f"{server.url}/hub").name == "my-unet"
        assert server.starts(path)[0] == 0

    def test_parts_of_one_image_are(self, server: Server, image: str) -> None:
        server.faults[IMAGE] = ["cut"]
        assert read_url(image) == CONTENT
        assert server.starts(IMAGE)[1] > 0

    @pytest.mark.parametrize("etag", ["", 'W/"1"'])
    def test_without_a_strong_etag_all_is_fetched_anew(self, server: Server, image: str, etag: str) -> None:
        server.headers[IMAGE] = {"ETag": etag}
        server.faults[IMAGE] = ["changed"]
        assert read_url(image) == CONTENT[::-1]
        assert server.starts(IMAGE) == [0, 0]

    def test_weights_may_come_from_several_servers(self, server: Server, known: Callable[..., ModelInfo]) -> None:
        server.headers[FILE] = {"ETag": 'W/"1"'}  # their digest is known
        server.faults[FILE] = ["cut", "shifted"]
        known(f"{server.url}/hub")
        assert resolve("my-unet").path.read_bytes() == CONTENT
        assert server.starts(FILE)[1] > 0


class TestRedirects:
    @pytest.mark.parametrize(
        ("leads_to", "reason"),
        [
            (IMAGE, "redirects without end"),
            ("file:///etc/passwd", "an address that is not http"),
            ("ftp://me:secret@example.org/x?key=secret", "an address that is not http"),
            ("http://me:secret@[bad/x?key=secret", "is not valid"),
        ],
    )
    def test_it_ends_in_a_sentence(self, server: Server, image: str, leads_to: str, reason: str) -> None:
        server.moved[IMAGE] = leads_to
        with pytest.raises(HubError, match=reason) as caught:
            read_url(image)
        assert "secret" not in str(caught.value)


class TestLock:
    def test_who_waits_says_so(self, server: Server, tmp_path: Path) -> None:
        server.files["/hub/my-unet/config.json"] = (put(tmp_path / "local").parent / "config.json").read_bytes()
        server.faults[FILE] = ["slow"]
        code = f"from carseg import hub; hub.resolve('my-unet', hub='{server.url}/hub')"
        both = [start(code) for _ in range(2)]
        errors = [process.communicate(timeout=60)[1] for process in both]
        assert [process.returncode for process in both] == [0, 0], errors
        assert "another process is downloading the same file; waiting until it is done" in "".join(errors)

    @pytest.mark.parametrize("reason", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
    def test_a_file_system_without_locks(
        self,
        server: Server,
        known: Callable[..., ModelInfo],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        reason: int,
    ) -> None:
        def refuse(*_: Any) -> None:
            raise OSError(reason, os.strerror(reason))

        monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", refuse)  # not on Windows
        info = known(f"{server.url}/hub")
        server.faults[FILE] = ["cut"]
        assert resolve("my-unet").path.read_bytes() == CONTENT
        names = {path.name for path in (tmp_path / "cache/weights").iterdir() if path.suffix != ".lock"}
        assert names == {f"{info.sha256}.safetensors"}


def test_a_filled_cache_that_is_read_only_serves_a_hub(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = put(tmp_path / "local").parent / "config.json"
    server.files["/hub/my-unet/config.json"] = config.read_bytes()
    first = resolve("my-unet", hub=f"{server.url}/hub")

    from filelock import FileLock

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    assert resolve("my-unet", hub=f"{server.url}/hub") == first
    first.path.unlink()
    with pytest.raises(HubError, match="cannot be written"):
        resolve("my-unet", hub=f"{server.url}/hub")
