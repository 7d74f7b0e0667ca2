"""Hubs of one's own: made, used, published, and downloaded from again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from carseg.errors import HubError, OfflineError, OptionError
from carseg.hub.manifest import Manifest, load_manifest
from carseg.hub.publish import mirror, publish
from carseg.hub.resolve import ResolvedWeights, resolve

from entries import COMMIT, CONTENT, info_of, put, start
from modules import module
from server import Server

pytestmark = pytest.mark.usefixtures("own_cache")

NAMES = ("my-unet", "your-unet")


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the manifest of a checkout with two models."""
    for name in NAMES:
        put(tmp_path / "checkout/weights", name=name)
    path = tmp_path / "checkout/weights_manifest.json"
    Manifest(hubs=(), models={name: info_of(name=name) for name in NAMES}).save(path)
    for name in ("hub.resolve", "hub.publish"):
        monkeypatch.setattr(module(name), "ROOT", path.parent)
        monkeypatch.setattr(module(name), "load_manifest", lambda given=path: load_manifest(given))
    return path


def test_mirror_is_a_hub(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (manifest.parent / "weights/my-unet/README.md").write_text("# A card of its own\n")
    written = mirror(tmp_path / "mirror")
    assert [path.relative_to(tmp_path / "mirror").as_posix() for path in written] == [
        f"{name}/model.safetensors" for name in NAMES
    ]
    assert (tmp_path / "mirror/my-unet/README.md").read_text() == "# A card of its own\n"
    assert "# your-unet" in (tmp_path / "mirror/your-unet/README.md").read_text()
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "mirror", check=True)
    monkeypatch.setattr(module("hub.resolve"), "load_manifest", lambda: Manifest(hubs=(), models={}))
    assert resolve("my-unet", hub=tmp_path / "mirror") == ResolvedWeights(info_of(), written[0])


def test_mirror_repairs_what_is_broken_and_keeps_the_rest(manifest: Path, tmp_path: Path) -> None:
    first, second = mirror(tmp_path / "mirror")
    first.write_bytes(b"broken")
    kept = second.stat().st_mtime_ns
    mirror(tmp_path / "mirror", ["my-unet", "your-unet"])
    assert first.read_bytes() == CONTENT
    assert second.stat().st_mtime_ns == kept


def test_a_mirror_can_be_made_in_steps(manifest: Path, tmp_path: Path) -> None:
    for name in NAMES:
        mirror(tmp_path / "mirror", [name])
    sums, card = ((tmp_path / "mirror" / file).read_text() for file in ("SHA256SUMS", "README.md"))
    for name in NAMES:
        assert f"  {name}/model.safetensors\n" in sums and f"[{name}]" in card


def test_a_mirror_leaves_alone_what_is_none_of_its_own(manifest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / "bert").mkdir(parents=True)
    (folder / "bert/config.json").write_text('{"model_type": "bert"}')
    mirror(folder)
    assert "bert" not in (folder / "SHA256SUMS").read_text()
    (folder / "SHA256SUMS").unlink()
    (folder / "README.md").write_text("# Notes\n")
    with pytest.raises(OptionError, match="is not a hub"):
        mirror(folder)
    assert (folder / "README.md").read_text() == "# Notes\n"


def test_folder_with_its_address(manifest: Path, tmp_path: Path) -> None:
    assert publish(str(tmp_path / "site"), manifest=manifest) is None
    assert load_manifest(manifest).hubs == ()
    assert publish(str(tmp_path / "site"), address="https://example.org/w", manifest=manifest)
    assert load_manifest(manifest).hubs == ("https://example.org/w",)
    assert load_manifest(manifest).models["my-unet"] == info_of()
    with pytest.raises(OptionError, match="give a folder or hf://ORG/REPO"):
        publish("https://example.org/w", manifest=manifest)


@pytest.mark.parametrize(
    ("destination", "address"), [("site", "example.org/w"), ("hf://me/cars", "https://example.org/w")]
)
def test_an_address_that_cannot_be_the_hubs_is_refused_before_anything_is_written(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, destination: str, address: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="must be https"):
        publish(destination, address=address, manifest=manifest)
    assert load_manifest(manifest).hubs == () and not Path("site").exists()


def test_assets_of_a_release_and_down_again(manifest: Path, tmp_path: Path, server: Server) -> None:
    address = f"{server.url}/releases/v1/{{asset}}"
    for _ in range(2):  # what is there already is replaced
        assert publish(str(tmp_path / "assets"), address=address, manifest=manifest) == address
    assert load_manifest(manifest).hubs == (address,)
    names = {path.name for path in (tmp_path / "assets").iterdir()}
    assert {"my-unet.model.safetensors", "my-unet.config.json", "your-unet.README.md", "SHA256SUMS"} <= names
    assert all(path.is_file() for path in (tmp_path / "assets").iterdir())
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "assets", check=True)

    server.files = {f"/releases/v1/{name}": (tmp_path / "assets" / name).read_bytes() for name in names}
    code = f"from carseg import hub; print(hub.resolve('your-unet', hub='{address}').path)"
    message, errors = start(code).communicate(timeout=60)
    assert Path(message.strip()).read_bytes() == CONTENT, errors


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("address", [None, "https://example.org/v1/{asset}"])
@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("step", range(9))
def test_a_hub_appears_whole_or_not_at_all(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str | None, there: bool, step: int
) -> None:
    """Renaming is made to fail, the first time, the second time and so on."""
    site = tmp_path / "out/site"
    if there:
        publish(str(site), manifest=manifest)
        (site / "notes.txt").write_text("mine")
        (site / "my-unet/model.safetensors").write_bytes(b"broken")
    before, rename, replace, count = tree(tmp_path / "out"), Path.rename, Path.replace, iter(range(1000))

    def failing(do: Any) -> Any:
        def move(self: Path, target: Path) -> Path:
            if next(count) == step:
                raise OSError(28, "No space left on device")
            return do(self, target)

        return move

    monkeypatch.setattr(Path, "rename", failing(rename))
    monkeypatch.setattr(Path, "replace", failing(replace))
    with suppress(OSError):
        publish(str(site), address=address, manifest=manifest)
        return  # there are fewer steps
    monkeypatch.undo()
    after = tree(tmp_path / "out")
    assert after == before or {"site/SHA256SUMS", "site/README.md"} <= after.keys()
    assert [path.name for path in (tmp_path / "out").iterdir()] in ([], ["site"])


@pytest.mark.parametrize("there", [False, True])
def test_the_same_command_clears_up_after_one_that_was_killed(manifest: Path, tmp_path: Path, there: bool) -> None:
    site = tmp_path / "site"
    if there:
        mirror(site)
        (site / ".0123456789abcdef.part").write_bytes(b"half")
    (tmp_path / ".site-new/my-unet").mkdir(parents=True)
    (tmp_path / ".site-new/my-unet/model.safetensors").write_bytes(b"half")
    mirror(site)
    mirror(tmp_path / "other")
    assert tree(site) == tree(tmp_path / "other")
    assert not (tmp_path / ".site-new").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
@pytest.mark.parametrize("kind", ["SIGHUP", "SIGTERM"])
def test_a_closed_terminal_leaves_nothing(manifest: Path, tmp_path: Path, kind: str) -> None:
    code = (
        f"import os, shutil, signal, sys; signal.signal(signal.{kind}, signal.SIG_DFL)\n"  # nohup ignores SIGHUP
        "from carseg.cli import entry; copy = shutil.copyfile\n"
        f"def hang_up(*paths): copy(*paths); os.kill(os.getpid(), signal.{kind}); signal.pause()\n"
        f"shutil.copyfile = hang_up; sys.argv[1:] = ['hub', 'mirror', {str(tmp_path / 'out/site')!r}, 'my-unet', "
        f"'--hub', {str(manifest.parent / 'weights')!r}]; entry()"
    )
    process = start(code)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert list((tmp_path / "out").iterdir()) == []


def test_sums_are_those_of_the_hubs_files(manifest: Path, tmp_path: Path) -> None:
    mirror(tmp_path / "hub")
    for name in ("my-unet/.DS_Store", "my-unet/notes.txt", "my-unet/README.md~", "photo.jpg"):
        (tmp_path / "hub" / name).write_text("mine")
    mirror(tmp_path / "hub", ["your-unet"])
    lines = (tmp_path / "hub/SHA256SUMS").read_text().splitlines()
    names = {"README.md", "config.json", "model.safetensors"}
    assert {line.split("  ")[1] for line in lines} == {f"{model}/{name}" for model in NAMES for name in names}
    assert (tmp_path / "hub/my-unet/notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_replaced_is_refused(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="choose a folder in it"):
        mirror(".")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OptionError, match="is a file"):
        mirror("file")
    assert (tmp_path / "file").read_text() == "mine"


class TestHuggingFace:
    @pytest.fixture
    def uploaded(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
        """Return what is uploaded by the two calls of huggingface_hub that write, which are replaced."""
        from huggingface_hub import HfApi

        files: dict[str, bytes] = {}

        def upload(self: Any, *, repo_id: str, folder_path: Path, commit_message: str) -> SimpleNamespace:
            assert files.pop("created") == repo_id.encode()
            for path in folder_path.rglob("*"):
                if path.is_file():
                    files[path.relative_to(folder_path).as_posix()] = path.read_bytes()
            return SimpleNamespace(oid=COMMIT)

        def create(self: Any, repo_id: str, *, exist_ok: bool) -> None:
            assert exist_ok
            files["created"] = repo_id.encode()

        monkeypatch.setattr(HfApi, "create_repo", create)
        monkeypatch.setattr(HfApi, "upload_folder", upload)
        return files

    def test_up_and_down_again(self, manifest: Path, uploaded: dict[str, bytes], server: Server) -> None:
        Manifest(("hf://me/cars@" + "f" * 40, "https://example.org"), load_manifest(manifest).models).save(manifest)
        address = publish("hf://me/cars", manifest=manifest)
        assert address == f"hf://me/cars@{COMMIT}"
        assert load_manifest(manifest).hubs == (address, "https://example.org")

        server.files = {f"/me/cars/resolve/{COMMIT}/{name}": content for name, content in uploaded.items()}
        code = f"from carseg import hub; print(hub.resolve('your-unet', hub='{address}').path)"
        message, errors = start(code, HF_ENDPOINT=server.url, HF_HUB_DISABLE_XET="1").communicate(timeout=60)
        assert Path(message.strip()).read_bytes() == CONTENT, errors

    def test_card_has_what_the_hub_reads(self, manifest: Path, uploaded: dict[str, bytes]) -> None:
        publish("hf://me/cars", manifest=manifest)
        _, front, text = uploaded["README.md"].decode().split("---\n", 2)
        facts = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in front.splitlines())}
        assert facts["library_name"] == "carseg"
        assert facts["pipeline_tag"] == "image-segmentation"
        assert re.fullmatch(r"[a-z0-9.-]+", facts["license_name"])  # a name, as the hub demands
        assert "| research only |" in text
        assert [model["name"] for model in facts["model-index"]] == list(NAMES)
        assert facts["model-index"][0]["results"][0]["metrics"] == [{"type": "mean_iou", "value": 0.98}]
        assert all(f"[{name}]({name})" in text for name in NAMES)

    def test_what_a_killed_upload_left_is_cleared_up(
        self, manifest: Path, uploaded: dict[str, bytes], tmp_path: Path
    ) -> None:
        for name in ("me--cars", ".me--cars-new"):
            (tmp_path / "cache/upload" / name / "old-unet").mkdir(parents=True)
            (tmp_path / "cache/upload" / name / "old-unet/model.safetensors").write_bytes(b"half")
        publish("hf://me/cars", manifest=manifest)
        assert not any(name.startswith("old-unet") for name in uploaded)
        assert list((tmp_path / "cache/upload").iterdir()) == []

    def test_no_name_of_a_repository_leads_out_of_the_cache(
        self, manifest: Path, uploaded: dict[str, bytes], tmp_path: Path
    ) -> None:
        before = tree(manifest.parent)
        publish("hf://../..", manifest=tmp_path / "checkout/weights_manifest.json")
        assert tree(manifest.parent).keys() == before.keys()
        assert (tmp_path / "cache").is_dir()

    def test_refused_upload_changes_nothing(
        self, manifest: Path, uploaded: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from huggingface_hub import HfApi

        def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
            raise OSError("401 Unauthorized\n\nlong explanation")

        before = manifest.read_bytes()
        monkeypatch.setattr(HfApi, "upload_folder", refuse)
        with pytest.raises(
            HubError, match=r"cannot publish to hf://me/cars: OSError 401 Unauthorized; check that your token"
        ):
            publish("hf://me/cars", manifest=manifest)
        monkeypatch.setenv("CARSEG_OFFLINE", "1")
        with pytest.raises(OfflineError):
            publish("hf://me/cars", manifest=manifest)
        assert manifest.read_bytes() == before
