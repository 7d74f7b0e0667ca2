"""Where addresses lead: origins of an installation, URLs that are read."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import carseg
from carseg.errors import HubError
from carseg.hub.http import read_url
from carseg.hub.model_info import ModelInfo
from carseg.hub.origins import origins_of, parse_origin
from carseg.hub.resolve import resolve

from entries import COMMIT, CONTENT
from modules import module
from server import Server

pytestmark = pytest.mark.usefixtures("own_cache")


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

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            (
                "https://github.com/me/carseg/archive/v1.tar.gz",
                "https://raw.githubusercontent.com/me/carseg/v1/weights",
            ),
            (
                "https://github.com/me/carseg/archive/refs/heads/main.zip",
                "https://raw.githubusercontent.com/me/carseg/refs/heads/main/weights",
            ),
            (
                "https://gitlab.com/a/b/carseg/-/archive/v1/carseg-v1.tar.gz",
                "https://gitlab.com/a/b/carseg/-/raw/v1/weights",
            ),
            (
                f"https://codeberg.org/me/carseg/archive/{COMMIT}.tar.gz",
                f"https://codeberg.org/me/carseg/raw/commit/{COMMIT}/weights",
            ),
            ("https://bitbucket.org/me/carseg/get/v1.tar.gz", "https://bitbucket.org/me/carseg/raw/v1/weights"),
        ],
    )
    def test_raw_files_of_a_forge_beside_its_archive(self, url: str, expected: str) -> None:
        assert origins_of({"url": url, "archive_info": {}}) == [expected]

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
        for name in ("carseg-0.1.0.whl", "carseg-0.1.0.tar.gz"):
            assert origins_of({"url": f"https://example.org/{name}", "archive_info": {}}) == []

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


def test_nothing_else_in_the_package_imports_what_opens_sockets() -> None:
    opening = {"requests", "huggingface_hub", "urllib3", "httpx", "socket", "http", "ftplib"}
    package = Path(carseg.__file__).parent
    for path in set(package.rglob("*.py")) - set((package / "hub").iterdir()):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found = [name for name in names if name.split(".")[0] in opening or name == "urllib.request"]
            assert not found, f"{path} imports {found}"
