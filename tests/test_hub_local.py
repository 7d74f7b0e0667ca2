"""Weights found on this machine: offline, in folders, beside the package."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carseg._env import is_offline
from carseg.errors import HubError, ManifestError, OfflineError, OptionError, UnknownNameError, WeightsError
from carseg.hub.cache import cache_dir
from carseg.hub.http import read_url
from carseg.hub.model_info import ModelInfo
from carseg.hub.origins import origins_of
from carseg.hub.resolve import ResolvedWeights, copies, resolve

from entries import COMMIT, CONTENT, info_of, put
from modules import module
from server import Server

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


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
        for hub in ("hf://cars", "hf://me/cars/my-unet", "hf://me/cars@"):
            with pytest.raises(OptionError, match="is written hf://ORG/REPO"):
                resolve("my-unet", hub=hub)


def test_broken_config_names_the_field(tmp_path: Path) -> None:
    file = put(tmp_path).parent / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "storage": "int3"}))
    with pytest.raises(ManifestError, match="storage: must be one of"):
        resolve("my-unet", hub=tmp_path)


def test_a_copy_is_listed_once(
    known: Callable[..., ModelInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known()
    file = put(tmp_path / "hub")
    monkeypatch.setattr(module("hub.resolve"), "ROOT", tmp_path)
    (tmp_path / "weights").symlink_to(tmp_path / "hub")
    [copy] = copies(info_of(), tmp_path / "hub")
    assert copy.samefile(file)
