"""Downloading and verifying weights, from a real HTTP server and through huggingface_hub."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from carseg.errors import HubError
from carseg.hub.model_info import ModelInfo
from carseg.hub.resolve import resolve

from entries import COMMIT, CONTENT, FILE, put, start
from modules import module
from server import Server

pytestmark = pytest.mark.usefixtures("own_cache")


def files_in_cache(tmp_path: Path) -> list[str]:
    found = (path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(path.name for path in found)


class TestDownload:
    def test_once_then_from_the_cache(self, server: Server, known: Callable[..., ModelInfo], tmp_path: Path) -> None:
        info = known(f"{server.url}/hub")
        seen: list[tuple[int, int]] = []
        resolved = resolve("my-unet", progress=lambda *at: seen.append(at))
        assert resolved.info == info
        assert resolved.path.read_bytes() == CONTENT
        assert seen[-1] == (len(CONTENT), len(CONTENT))
        assert resolve("my-unet").path == resolved.path
        assert server.starts(FILE) == [0]
        assert files_in_cache(tmp_path) == [f"{info.sha256}.safetensors"]

    @pytest.mark.parametrize("fault", [500, 503, 429, "cut"])
    def test_recovers_from_a_passing_fault(
        self, server: Server, known: Callable[..., ModelInfo], fault: int | str
    ) -> None:
        server.faults[FILE] = [fault, fault]
        known(f"{server.url}/hub")
        assert resolve("my-unet").path.read_bytes() == CONTENT
        assert len(server.starts(FILE)) == 3

    def test_goes_on_where_it_broke_off(self, server: Server, known: Callable[..., ModelInfo]) -> None:
        server.faults[FILE] = ["cut", 500]
        known(f"{server.url}/hub")
        assert resolve("my-unet").path.read_bytes() == CONTENT
        first, second, third = server.starts(FILE)
        assert first == 0 < second == third

    def test_a_poor_line_is_no_reason_to_give_up(self, server: Server, known: Callable[..., ModelInfo]) -> None:
        server.files[FILE] = large = CONTENT * 20
        server.faults[FILE] = ["cut"] * 4  # one more than it tries where nothing comes
        known(f"{server.url}/hub", content=large)
        assert resolve("my-unet").path.read_bytes() == large
        assert len(server.starts(FILE)) == 5

    @pytest.mark.parametrize("longer", [0, 10])
    def test_what_an_earlier_try_left_may_be_whole_or_too_long(
        self, server: Server, known: Callable[..., ModelInfo], tmp_path: Path, longer: int
    ) -> None:
        info = known(f"{server.url}/hub")
        part = tmp_path / "cache" / "weights" / f"{info.sha256}.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(CONTENT + b"x" * longer)
        assert resolve("my-unet").path.read_bytes() == CONTENT
        assert len(server.starts(FILE)) == (2 if longer else 0)

    def test_what_is_larger_than_it_should_be_is_not_read_to_its_end(
        self, server: Server, known: Callable[..., ModelInfo]
    ) -> None:
        server.files[FILE] = CONTENT * 2
        known(f"{server.url}/hub")
        with pytest.raises(HubError, match="its file of this name is too large"):
            resolve("my-unet")

    def test_goes_on_in_the_next_process(self, server: Server, known: Callable[..., ModelInfo], tmp_path: Path) -> None:
        server.faults[FILE] = ["cut", 500, 500, 500, 500]
        known(f"{server.url}/hub")
        with pytest.raises(HubError, match="500"):
            resolve("my-unet")
        assert resolve("my-unet").path.read_bytes() == CONTENT
        assert server.starts(FILE)[-1] > 0

    def test_server_without_ranges(self, server: Server, known: Callable[..., ModelInfo]) -> None:
        server.faults[FILE] = ["cut", "whole"]
        known(f"{server.url}/hub")
        assert resolve("my-unet").path.read_bytes() == CONTENT

    def test_silent_server_is_given_up(
        self, server: Server, known: Callable[..., ModelInfo], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module("hub.http"), "_TIMEOUT", (0.2, 0.2))
        server.faults[FILE] = ["hang"]
        known(f"{server.url}/hub")
        assert resolve("my-unet").path.read_bytes() == CONTENT

    def test_missing_then_mirror(self, server: Server, known: Callable[..., ModelInfo]) -> None:
        server.files["/mirror/my-unet/model.safetensors"] = server.files.pop(FILE)
        known(f"{server.url}/hub", f"{server.url}/mirror/")
        assert resolve("my-unet").path.read_bytes() == CONTENT
        assert server.starts(FILE) == [0]

    @pytest.mark.parametrize("wrong", [b"x" * len(CONTENT), b"<html>", CONTENT + b"x", b""])
    def test_wrong_bytes_then_mirror(self, server: Server, known: Callable[..., ModelInfo], wrong: bytes) -> None:
        server.files["/bad/my-unet/model.safetensors"] = wrong
        known(f"{server.url}/bad", f"{server.url}/hub")
        assert resolve("my-unet").path.read_bytes() == CONTENT

    def test_wrong_half_of_one_mirror_does_not_spoil_the_next(
        self, server: Server, known: Callable[..., ModelInfo]
    ) -> None:
        bad = "/bad/my-unet/model.safetensors"
        server.files[bad] = b"x" * len(CONTENT)
        server.faults[bad] = ["cut", 404]
        known(f"{server.url}/bad", f"{server.url}/hub")
        assert resolve("my-unet").path.read_bytes() == CONTENT
        assert server.starts(FILE)[0] > 0
        assert server.starts(FILE)[1:] == [0]

    def test_one_sentence_states_what_is_wrong_with_each_place(
        self, server: Server, known: Callable[..., ModelInfo], tmp_path: Path
    ) -> None:
        server.files["/bad/my-unet/model.safetensors"] = b"x" * len(CONTENT)
        known(f"{server.url}/bad", f"{server.url}/none", "http://127.0.0.1:9/refused")
        with pytest.raises(HubError) as caught:
            resolve("my-unet")
        message = str(caught.value)
        assert "'my-unet'" in message
        assert f"{server.url}/bad: its file of this name is a different one" in message
        assert f"{server.url}/none: 404 Not Found" in message
        assert "http://127.0.0.1:9/refused: the connection failed" in message
        assert "\n" not in message
        assert files_in_cache(tmp_path) == []

    def test_corrupt_file_in_the_cache_is_replaced(
        self, server: Server, known: Callable[..., ModelInfo], tmp_path: Path
    ) -> None:
        known(f"{server.url}/hub")
        path = resolve("my-unet").path
        path.write_bytes(CONTENT[:-1] + b"?")
        assert resolve("my-unet").path.read_bytes() == CONTENT
        assert server.starts(FILE) == [0, 0]

    def test_given_hub_comes_first(self, server: Server, known: Callable[..., ModelInfo]) -> None:
        server.files["/mine/my-unet/model.safetensors"] = CONTENT
        known(f"{server.url}/hub")
        resolve("my-unet", hub=f"{server.url}/mine")
        assert server.starts(FILE) == []

    def test_two_processes_fetch_once(self, server: Server, tmp_path: Path) -> None:
        put(tmp_path / "local")
        server.files["/hub/my-unet/config.json"] = (tmp_path / "local/my-unet/config.json").read_bytes()
        server.faults[FILE] = ["slow", "slow"]
        code = f"from carseg import hub; print(hub.resolve('my-unet', hub='{server.url}/hub').path)"
        both = [start(code) for _ in range(2)]
        message = [process.communicate(timeout=30)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert message[0] == message[1]
        assert Path(message[0].strip()).read_bytes() == CONTENT
        assert server.starts(FILE) == [0]


class TestDiskTrouble:
    def test_cache_that_cannot_be_written(
        self, server: Server, known: Callable[..., ModelInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "file"))
        known(f"{server.url}/hub")
        with pytest.raises(
            HubError, match=r"the cache .*file cannot be written .*: free some space, or set CARSEG_CACHE"
        ):
            resolve("my-unet")

    def test_full_disk_leaves_nothing_behind(self, server: Server, tmp_path: Path) -> None:
        put(tmp_path / "local")
        server.files["/hub/my-unet/config.json"] = (tmp_path / "local/my-unet/config.json").read_bytes()
        code = (
            "import resource, carseg.hub; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
            f"carseg.hub.resolve('my-unet', hub='{server.url}/hub')"
        )
        process = start(code)
        message = process.communicate(timeout=30)[1].strip().splitlines()
        assert message[-1].startswith("carseg.errors.HubError: the cache")
        assert [name for name in files_in_cache(tmp_path) if not name.endswith(".json")] == []


class TestHuggingFace:
    """Downloads through huggingface_hub, in a process of its own: it reads HF_ENDPOINT when it is imported."""

    FILE = f"/me/cars/resolve/{COMMIT}/my-unet/model.safetensors"
    CONFIG = f"/me/cars/resolve/{COMMIT}/my-unet/config.json"

    def resolve(self, server: Server, **variables: str) -> subprocess.Popen[str]:
        code = f"from carseg import hub; print(hub.resolve('my-unet', hub='hf://me/cars@{COMMIT}').path)"
        return start(code, HF_ENDPOINT=server.url, HF_HUB_ETAG_TIMEOUT="1", HF_HUB_DISABLE_XET="1", **variables)

    def test_download_then_no_request(self, server: Server, tmp_path: Path) -> None:
        put(tmp_path / "local")
        server.files[self.FILE] = CONTENT
        server.files[self.CONFIG] = (tmp_path / "local/my-unet/config.json").read_bytes()
        message, errors = self.resolve(server).communicate(timeout=60)
        assert Path(message.strip()).read_bytes() == CONTENT, errors
        assert errors == ""
        asked = {(method, path) for method, path, _ in server.log if path.startswith("/me/cars")}
        assert asked == {(method, path) for method in ("HEAD", "GET") for path in (self.FILE, self.CONFIG)}
        assert [name for name in files_in_cache(tmp_path) if not name.endswith(".json")] == [Path(message.strip()).name]
        server.log.clear()
        assert self.resolve(server).communicate(timeout=60)[0] == message
        assert server.log == []

    def test_wrong_bytes_and_unknown_name(self, server: Server, tmp_path: Path) -> None:
        _, errors = self.resolve(server).communicate(timeout=60)
        assert "UnknownNameError: no model 'my-unet' at hf://me/cars" in errors
        put(tmp_path / "local")
        server.files[self.FILE] = b"x" * len(CONTENT)
        server.files[self.CONFIG] = (tmp_path / "local/my-unet/config.json").read_bytes()
        _, errors = self.resolve(server).communicate(timeout=60)
        assert "HubError" in errors
        assert "its sha256 differs" in errors
