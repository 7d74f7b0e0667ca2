"""Finding, downloading and verifying weights, against a real HTTP server."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import carseg
from carseg._env import is_offline
from carseg.errors import HubError, ManifestError, OfflineError, OptionError, UnknownNameError, WeightsError
from carseg.hub.cache import cache_dir
from carseg.hub.http import read_url
from carseg.hub.licence import licence_notice
from carseg.hub.manifest import Manifest
from carseg.hub.model_info import ModelInfo
from carseg.hub.origins import origins_of, parse_origin
from carseg.hub.resolve import ResolvedWeights, copies, resolve

from entries import COMMIT, CONTENT, FILE, info_of, put, start
from modules import module
from server import Server

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelInfo]:
    """Return a function that makes ``my-unet`` a model of the manifest, with these hubs and facts."""

    def make(*hubs: str, content: bytes = CONTENT, **facts: Any) -> ModelInfo:
        info = replace(info_of(content), **facts)
        manifest = Manifest(hubs=hubs, models={info.name: info})
        monkeypatch.setattr(module("hub.resolve"), "load_manifest", lambda: manifest)
        return info

    return make


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


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
        with pytest.raises(HubError, match="what it has under this name is too large"):
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
        assert f"{server.url}/bad: what it has under this name is another file" in message
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


class TestOffline:
    @pytest.mark.parametrize("variable", ["CARSEG_OFFLINE", "HF_HUB_OFFLINE"])
    def test_the_error_states_what_to_do(
        self, known: Callable[..., ModelInfo], monkeypatch: pytest.MonkeyPatch, no_sockets: None, variable: str
    ) -> None:
        monkeypatch.setenv(variable, "1")
        info = known("http://127.0.0.1:9/hub", f"hf://me/cars@{COMMIT}")
        with pytest.raises(OfflineError, match="carseg download my-unet") as caught:
            resolve("my-unet")
        assert f"{info.sha256}.safetensors" in str(caught.value)
        with pytest.raises(OfflineError):
            read_url("http://127.0.0.1:9/car.jpg")
        with pytest.raises(OfflineError):
            resolve("other", hub="http://127.0.0.1:9/hub")

    def test_file_copied_as_the_error_states_is_used(
        self, known: Callable[..., ModelInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_sockets: None
    ) -> None:
        monkeypatch.setenv("CARSEG_OFFLINE", "1")
        info = known()
        copied = tmp_path / "cache/weights" / f"{info.sha256}.safetensors"
        copied.parent.mkdir(parents=True)
        copied.write_bytes(CONTENT)
        assert resolve("my-unet").path == copied

    def test_a_damaged_copy_is_named(self, known: Callable[..., ModelInfo], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CARSEG_OFFLINE", "1")
        info = known()
        copied = cache_dir() / "weights" / f"{info.sha256}.safetensors"
        copied.parent.mkdir(parents=True)
        copied.write_bytes(b"half")
        with pytest.raises(OfflineError, match=rf"{info.sha256[:8]}.*sha256.*carseg download my-unet"):
            resolve("my-unet")

    def test_zero_means_online(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CARSEG_OFFLINE", "0")
        assert not is_offline()

    def test_name_of_a_hub_once_asked_works_offline(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path / "local")
        server.files["/hub/my-unet/config.json"] = (tmp_path / "local/my-unet/config.json").read_bytes()
        address = f"{server.url}/hub"
        online = resolve("my-unet", hub=address)
        server.files["/hub/my-unet/config.json"] = b"<html>log in</html>"  # a network that wants to be asked first
        assert resolve("my-unet", hub=address) == online
        server.close()
        assert resolve("my-unet", hub=address) == online
        monkeypatch.setenv("CARSEG_OFFLINE", "1")
        assert resolve("my-unet", hub=address) == online


class TestOnThisMachine:
    def test_folder_as_a_hub_without_sockets_or_copies(self, tmp_path: Path, no_sockets: None) -> None:
        file = put(tmp_path / "hub")
        assert resolve("my-unet", hub=tmp_path / "hub") == ResolvedWeights(info_of(), file)
        assert not (tmp_path / "cache").exists()

    def test_hub_from_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = put(tmp_path / "hub")
        monkeypatch.setenv("CARSEG_HUB", (tmp_path / "hub").as_uri())
        assert resolve("my-unet").path == file

    def test_folder_of_something_else_hides_no_model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = put(tmp_path / "hub")
        (tmp_path / "my-unet").mkdir()
        monkeypatch.chdir(tmp_path)
        assert resolve("my-unet", hub="hub").path.resolve() == file
        with pytest.raises(WeightsError, match="my-unet holds no weights"):
            resolve("my-unet")

    def test_manifest_counts_for_its_names_whatever_the_hub_has(
        self, server: Server, known: Callable[..., ModelInfo], tmp_path: Path
    ) -> None:
        put(tmp_path / "hub", b"other weights")
        info = known(f"{server.url}/hub")
        resolved = resolve("my-unet", hub=tmp_path / "hub")
        assert resolved.info == info
        assert resolved.path.read_bytes() == CONTENT

    def test_corrupt_file_of_a_hub_is_refused(self, tmp_path: Path) -> None:
        put(tmp_path / "hub").write_bytes(CONTENT[:1000])
        with pytest.raises(HubError, match="sha256 differs"):
            resolve("my-unet", hub=tmp_path / "hub")

    def test_checkout_it_was_installed_from(
        self, known: Callable[..., ModelInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_sockets: None
    ) -> None:
        known()
        file = put(tmp_path / "checkout/weights")
        record = {"url": (tmp_path / "checkout").as_uri(), "dir_info": {"editable": True}}
        monkeypatch.setattr(module("hub.resolve"), "installed_from", lambda: origins_of(record))
        assert resolve("my-unet").path == file
        assert copies(info_of()) == [file]

    def test_file_that_came_with_the_package(
        self, known: Callable[..., ModelInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_sockets: None
    ) -> None:
        known()
        monkeypatch.setattr(module("hub.resolve"), "ROOT", tmp_path)
        file = put(tmp_path / "weights")
        assert resolve("my-unet").path == file

    def test_unknown_name(self, known: Callable[..., ModelInfo], tmp_path: Path) -> None:
        known()
        with pytest.raises(UnknownNameError, match="no model 'my-net'; did you mean my-unet"):
            resolve("my-net")
        put(tmp_path / "hub", name="your-unet")
        with pytest.raises(UnknownNameError, match="did you mean your-unet"):
            resolve("your-net", hub=tmp_path / "hub")

    def test_name_cannot_leave_the_hub(self, tmp_path: Path, server: Server) -> None:
        put(tmp_path, name="outside")
        (tmp_path / "hub").mkdir()
        for place in (tmp_path / "hub", f"{server.url}/hub"):
            with pytest.raises(UnknownNameError):
                resolve("../outside", hub=place)
        assert server.log == []

    def test_config_of_another_model(self, tmp_path: Path) -> None:
        put(tmp_path / "hub")
        (tmp_path / "hub/my-unet").rename(tmp_path / "hub/other")
        with pytest.raises(ManifestError, match="says that it is 'my-unet'"):
            resolve("other", hub=tmp_path / "hub")

    def test_hub_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match="no such folder"):
            resolve("my-unet", hub=tmp_path / "nowhere")
        with pytest.raises(OptionError, match="40 hexadecimal digits"):
            resolve("my-unet", hub="hf://me/cars@main")


class TestGivenWeights:
    def test_folder(self, tmp_path: Path) -> None:
        file = put(tmp_path)
        assert resolve("anything", weights=file.parent).path == file
        assert resolve(file.parent).info.name == "my-unet"
        assert resolve("anything", weights=file).info == info_of()

    def test_folder_of_a_training_run_means_its_best_weights(self, tmp_path: Path) -> None:
        put(tmp_path, name="last")
        file = put(tmp_path, name="best")
        assert resolve(tmp_path).path == file

    def test_lone_file_takes_the_facts_of_the_named_model(
        self, known: Callable[..., ModelInfo], tmp_path: Path
    ) -> None:
        info = known(runtimes={"torch": {"bfloat16": 1.0}})
        file = tmp_path / "mine.safetensors"
        file.write_bytes(b"mine")
        (tmp_path / "config.json").write_text('{"model_type": "segformer"}')  # of another program
        resolved = resolve("my-unet", weights=file)
        assert resolved.path == file
        assert resolved.info.input == info.input
        assert resolved.info.sha256 == hashlib.sha256(b"mine").hexdigest()
        assert (resolved.info.metrics, resolved.info.runtimes) == ((), {})  # nobody measured these weights

    def test_a_file_beside_the_config_of_another_is_a_lone_file(
        self, known: Callable[..., ModelInfo], tmp_path: Path
    ) -> None:
        known()
        file = put(tmp_path).with_name("other.safetensors")
        file.write_bytes(b"mine")
        resolved = resolve("my-unet", weights=file)
        assert resolved.path == file
        assert resolved.info.sha256 == hashlib.sha256(b"mine").hexdigest()

    def test_what_cannot_be_used(self, known: Callable[..., ModelInfo], tmp_path: Path) -> None:
        known()
        (tmp_path / "empty").mkdir()
        with pytest.raises(WeightsError, match="no such file or folder"):
            resolve("my-unet", weights=tmp_path / "none.safetensors")
        with pytest.raises(WeightsError, match=r"there is no config\.json in it"):
            resolve("my-unet", weights=tmp_path / "empty")
        put(tmp_path).write_bytes(b"changed")
        with pytest.raises(WeightsError, match="sha256 differs"):
            resolve("my-unet", weights=tmp_path / "my-unet")

    @pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin", ".pkl"])
    def test_pickle_is_refused(self, tmp_path: Path, suffix: str) -> None:
        (tmp_path / f"old{suffix}").write_bytes(b"")
        with pytest.raises(WeightsError, match=r"is a pickle.*convert it first: python -c"):
            resolve("my-unet", weights=tmp_path / f"old{suffix}")

    def test_command_that_converts_a_pickle_works(self, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import load_file

        torch.save({"weight": torch.arange(3.0)}, tmp_path / "old.pth")
        with pytest.raises(WeightsError) as caught:
            resolve("my-unet", weights=tmp_path / "old.pth")
        command = str(caught.value).split("convert it first: ")[1]
        subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True)
        assert load_file(tmp_path / "old.safetensors")["weight"].tolist() == [0.0, 1.0, 2.0]


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


class TestOrigin:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("https://github.com/me/carseg.git", [f"https://raw.githubusercontent.com/me/carseg/{COMMIT}/weights"]),
            ("ssh://git@github.com/me/carseg", [f"https://raw.githubusercontent.com/me/carseg/{COMMIT}/weights"]),
            ("https://gitlab.com/a/b/carseg.git", [f"https://gitlab.com/a/b/carseg/-/raw/{COMMIT}/weights"]),
            ("https://codeberg.org/me/carseg", [f"https://codeberg.org/me/carseg/raw/commit/{COMMIT}/weights"]),
            ("https://bitbucket.org/me/carseg", [f"https://bitbucket.org/me/carseg/raw/{COMMIT}/weights"]),
        ],
    )
    def test_raw_files_of_a_forge_at_the_commit(self, url: str, expected: list[str]) -> None:
        assert origins_of({"url": url, "vcs_info": {"vcs": "git", "commit_id": COMMIT}}) == expected

    def test_own_forge(self, server: Server, known: Callable[..., ModelInfo], monkeypatch: pytest.MonkeyPatch) -> None:
        """The forge's software is not known, so each form of address is tried."""
        known()
        record = {"url": f"{server.url}/me/carseg.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}
        monkeypatch.setattr(module("hub.resolve"), "installed_from", lambda: origins_of(record))
        server.files[f"/me/carseg/raw/commit/{COMMIT}/weights/my-unet/model.safetensors"] = CONTENT
        assert resolve("my-unet").path.read_bytes() == CONTENT

    def test_folder_below_the_repository(self) -> None:
        record = {"url": "file:///home/me/my%20repo", "subdirectory": "python", "dir_info": {}}
        assert origins_of(record) == [Path("/home/me/my repo/python/weights")]

    def test_package_index_leads_nowhere(self) -> None:
        assert origins_of({"url": "https://example.org/carseg-0.1.0.whl", "archive_info": {}}) == []

    def test_places(self, tmp_path: Path) -> None:
        assert parse_origin("https://example.org/w/") == "https://example.org/w"
        assert parse_origin(f"hf://me/cars@{COMMIT}") == f"hf://me/cars@{COMMIT}"
        assert parse_origin((tmp_path / "a b").as_uri()) == tmp_path / "a b"


class TestReadUrl:
    def test_content_or_reason(self, server: Server) -> None:
        server.files["/car.jpg"] = CONTENT
        server.faults["/car.jpg"] = ["cut", 500]
        assert read_url(f"{server.url}/car.jpg") == CONTENT
        with pytest.raises(HubError, match=r"none.jpg cannot be fetched: 404 Not Found"):
            read_url(f"{server.url}/none.jpg")

    @pytest.mark.parametrize("host", ["a..b", "[bad", f"{'long' * 16}.org"])
    def test_what_is_no_address_is_an_error(self, host: str) -> None:
        with pytest.raises(HubError, match="cannot be fetched"):
            read_url(f"http://{host}/car.jpg")

    def test_endless_content_is_given_up(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module("hub.http"), "_LARGEST", 1000)
        server.files["/car.jpg"] = CONTENT
        with pytest.raises(HubError, match="too large"):
            read_url(f"{server.url}/car.jpg")


def test_licence_is_shown_once_per_machine() -> None:
    info = info_of()
    assert licence_notice(info)
    assert not licence_notice(info)
    assert not licence_notice(dataclasses.replace(info_of(b"free"), commercial_use="yes"))


def test_a_cache_that_cannot_be_looked_into_or_placed_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert licence_notice(info_of())
    look = os.stat

    def refuse(path: Any, *arguments: Any, **keywords: Any) -> os.stat_result:
        if "told" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, *arguments, **keywords)

    monkeypatch.setattr(os, "stat", refuse)
    assert licence_notice(info_of())
    monkeypatch.undo()
    monkeypatch.delenv("CARSEG_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_dir().is_absolute()


def test_broken_config_names_the_field(tmp_path: Path) -> None:
    file = put(tmp_path).parent / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "storage": "int3"}))
    with pytest.raises(ManifestError, match="storage: must be one of"):
        resolve("my-unet", hub=tmp_path)


def test_nothing_else_in_the_package_imports_what_opens_sockets() -> None:
    opening = {"requests", "huggingface_hub", "urllib3", "httpx", "socket", "http", "ftplib"}
    package = Path(carseg.__file__).parent
    for path in set(package.rglob("*.py")) - set((package / "hub").iterdir()):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found = [name for name in names if name.split(".")[0] in opening or name == "urllib.request"]
            assert not found, f"{path} imports {found}"


def test_unclear_terms_are_shown_too() -> None:
    assert licence_notice(dataclasses.replace(info_of(), commercial_use="unclear"))


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="of other systems")
def test_the_cache_is_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CARSEG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "carseg"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "carseg"


def test_a_copy_is_listed_once(
    known: Callable[..., ModelInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known()
    file = put(tmp_path / "hub")
    monkeypatch.setattr(module("hub.resolve"), "ROOT", tmp_path)
    (tmp_path / "weights").symlink_to(tmp_path / "hub")
    [copy] = copies(info_of(), tmp_path / "hub")
    assert copy.samefile(file)
