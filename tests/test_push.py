"""A model of one's own on the Hugging Face Hub: pushed, and loaded from there, at a server that speaks its way."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants

import carseg
from carseg import HubError, OfflineError, OptionError, UnknownNameError, WeightsError
from carseg.cli.main import main
from carseg.hub import mirror, push, resolve
from carseg.hub.hugging_face import reason
from carseg.hub.manifest import Manifest

from color_hub import blocks, mask_of, replace_weights, write_model
from hub_server import TOKEN, HubServer, Repository
from modules import module

FILES = {"README.md", "config.json", "model.safetensors"}


@pytest.fixture
def hub(own_cache: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Yield an empty Hub, for a user with a token who works in a folder that has a training run."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "run", "best")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # which has a protocol of its own
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 5)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def use_another_machine(monkeypatch: pytest.MonkeyPatch, cache: str = "another") -> None:
    monkeypatch.setenv("CARSEG_CACHE", str(Path(cache).absolute()))


@pytest.mark.parametrize("private", [False, True])
def test_there_and_back(hub: HubServer, private: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    address = carseg.hub.push("run/best", "hf://me/cars", private=private)
    repository = hub.repositories["me/cars"]
    assert address == f"hf://me/cars@{repository.newest}"
    assert repository.private is private
    held = repository.commits[repository.newest]
    assert held.keys() == FILES
    assert held["config.json"] == Path("run/best/config.json").read_bytes()
    assert held["model.safetensors"] == Path("run/best/model.safetensors").read_bytes()
    assert b'carseg.load("hf://me/cars")' in held["README.md"]

    expected = carseg.load("run")
    use_another_machine(monkeypatch)
    for name in ("hf://me/cars", "hf://me/cars@main", address):
        model = carseg.load(name)
        assert model.info == expected.info == carseg.info(name)
        assert np.array_equal(mask_of(model), mask_of(expected))
    if private:
        use_another_machine(monkeypatch, "a third")
        monkeypatch.setenv("HF_TOKEN", "hf_AnotherToken")
        with pytest.raises(HubError, match=r"hf://me/cars does not give its commit: .*the token"):
            carseg.load("hf://me/cars")


def test_a_commit_is_kept(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = push("run", "hf://me/cars")
    use_another_machine(monkeypatch)
    before = carseg.load("hf://me/cars")
    use_another_machine(monkeypatch, "cache")
    replace_weights(Path("run/best"))
    second = push("run", "hf://me/cars")
    assert carseg.load("hf://me/cars").info.sha256 != before.info.sha256  # where it was pushed
    use_another_machine(monkeypatch)
    hub.log.clear()
    assert carseg.load("hf://me/cars").info == before.info == carseg.load(first).info
    assert hub.log == []
    assert carseg.load(second).info.sha256 != before.info.sha256
    monkeypatch.setenv("CARSEG_OFFLINE", "1")
    assert carseg.load("hf://me/cars").info == before.info
    with pytest.raises(OfflineError, match=r"the commit of hf://you/cars is not known .*use it once without that"):
        carseg.load("hf://you/cars")


def test_a_pickle_has_the_commit(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    push("run", "hf://me/cars")
    model = carseg.load("hf://me/cars")
    content = pickle.dumps(model)
    replace_weights(Path("run/best"))
    push("run", "hf://me/cars")
    use_another_machine(monkeypatch)
    assert np.array_equal(mask_of(pickle.loads(content)), mask_of(model))


def test_it_is_a_model_wherever_one_is_asked_for(hub: HubServer) -> None:
    push("run", "hf://me/cars")
    assert carseg.create_model("nearest-color", weights="hf://me/cars")(torch.zeros(1, 3, 8, 8))[0].shape[1] == 4
    made = carseg.export("hf://me/cars", "out", format="torch-export")
    assert made.files[0].exists()


@pytest.mark.parametrize("source", ["run", "run/best", "run/best/model.safetensors"])
def test_paths_of_a_run_are_loaded_and_pushed(hub: HubServer, source: str) -> None:
    assert carseg.load(source).predict(blocks()).mask.shape == (64, 96)
    assert carseg.info(source).name == "best"
    push(source, "hf://me/cars")
    assert resolve("hf://me/cars").info == carseg.info(source)


def test_a_card_that_is_there_is_the_card(hub: HubServer) -> None:
    Path("run/best/README.md").write_text("---\nlicense: other\n---\n# My cars\n")
    push("run", "hf://me/cars")
    repository = hub.repositories["me/cars"]
    assert b"# My cars" in repository.commits[repository.newest]["README.md"]


def test_other_files_stay(hub: HubServer) -> None:
    hub.repositories["me/cars"] = Repository(private=False)
    hub.commit("me/cars", {"notes.txt": b"mine"})
    push("run", "hf://me/cars")
    repository = hub.repositories["me/cars"]
    assert repository.commits[repository.newest].keys() == {"notes.txt", *FILES}


def test_what_is_to_be_private_is_not_put_where_all_see_it(hub: HubServer) -> None:
    hub.repositories["me/cars"] = Repository(private=False)
    with pytest.raises(OptionError, match=r"hf://me/cars already exists and is public: make it private"):
        push("run", "hf://me/cars", private=True)
    assert hub.repositories["me/cars"].commits == {}
    hub.repositories["me/cars"].private = True
    push("run", "hf://me/cars", private=True)
    push("run", "hf://me/cars")
    assert hub.repositories["me/cars"].private


@pytest.mark.parametrize("token", ["hf_MayNotWrite", "hf_Broken\x01Token"])
def test_no_token_is_shown(hub: HubServer, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    for use in (lambda: push("run", "hf://me/cars"), lambda: carseg.load("hf://me/cars")):
        with pytest.raises(HubError, match="hf auth login") as error:
            use()
        assert "hf_" not in str(error.value) and "Token" not in str(error.value)
    for text in (f"Illegal header value {f'Bearer {token}'.encode()!r}", f"no such token: {token}"):
        assert "hf_" not in reason(ValueError(text))


@pytest.mark.parametrize("address", ["me/cars", "hf://cars", "https://example.org/cars", "hf://me/cars@main", "folder"])
def test_where_it_cannot_be_pushed(hub: HubServer, address: str) -> None:
    with pytest.raises(OptionError, match="hf://"):
        push("run", address)
    assert hub.log == []


def test_only_a_sound_model_is_pushed(hub: HubServer) -> None:
    with pytest.raises(UnknownNameError):
        push("nowhere", "hf://me/cars")
    Path("run/best/model.safetensors").write_bytes(b"broken")
    with pytest.raises(WeightsError, match="sha256 differs"):
        push("run", "hf://me/cars")
    assert hub.log == []


def test_a_repository_that_is_no_model(hub: HubServer) -> None:
    hub.repositories["me/cars"] = Repository(private=False)
    commit = hub.commit("me/cars", {"blocks/config.json": b"{}"})
    with pytest.raises(UnknownNameError, match=rf"no config.json at its root: .*hub='hf://me/cars@{commit}'"):
        carseg.load("hf://me/cars")
    hub.commit("me/cars", {"config.json": b'{"model_type": "segformer"}'})
    with pytest.raises(HubError, match=r"cannot be asked for its model: config.json: name: must be text"):
        carseg.load(f"hf://me/cars@{hub.repositories['me/cars'].newest}")
    with pytest.raises(HubError, match=r"hf://me/cars@v9 does not give its commit: .*404"):
        carseg.load("hf://me/cars@v9")
    for name in ("hf://cars", "hf://me/cars/blocks", "hf://me/cars@"):
        with pytest.raises(OptionError, match="is written hf://ORG/REPO"):
            carseg.load(name)


@pytest.fixture
def zoo(hub: HubServer) -> str:
    """Return the address of a hub with a folder for its one model, "best"."""
    hub.repositories["me/zoo"] = Repository(private=False)
    put_into_zoo(hub)
    return "hf://me/zoo"


def put_into_zoo(hub: HubServer) -> str:
    folder = Path("run/best")
    return hub.commit("me/zoo", {f"best/{name}": (folder / name).read_bytes() for name in FILES - {"README.md"}})


def test_a_hub_stands_for_the_commit_it_had_when_it_was_first_asked(
    hub: HubServer, zoo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hub.repositories["me/zoo"].newest
    before = carseg.load("best", hub=zoo)
    replace_weights(Path("run/best"))
    second = put_into_zoo(hub)
    hub.log.clear()
    assert carseg.load("best", hub=zoo).info == before.info
    assert hub.log == []
    monkeypatch.setenv("CARSEG_HUB", zoo)
    monkeypatch.setenv("CARSEG_OFFLINE", "1")
    assert carseg.load("best").info == before.info
    with pytest.raises(OfflineError, match=r"the commit of hf://me/zoo@v2 is not known .*hf://me/zoo@COMMIT"):
        carseg.load("best", hub=f"{zoo}@v2")
    monkeypatch.delenv("CARSEG_OFFLINE")
    assert carseg.load("best", hub=f"{zoo}@{second}").info.sha256 != before.info.sha256
    assert carseg.load("best", hub=f"{zoo}@{first}").info == before.info


def test_a_pickle_has_the_commit_of_its_hub(hub: HubServer, zoo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = carseg.load("best", hub=zoo)
    content = pickle.dumps(model)
    replace_weights(Path("run/best"))
    put_into_zoo(hub)
    use_another_machine(monkeypatch)
    assert np.array_equal(mask_of(pickle.loads(content)), mask_of(model))


def test_a_hub_is_asked_for_its_commit_only_where_it_is_needed(
    hub: HubServer, zoo: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARSEG_OFFLINE", "1")
    assert main(["verify", "fpn-mobilenetv2-carvana", "--hub", zoo]) == 0  # in the package
    assert hub.log == []
    assert main(["download", "best", "--hub", zoo]) == 1
    assert "the commit of hf://me/zoo is not known" in capsys.readouterr().err
    monkeypatch.delenv("CARSEG_OFFLINE")
    assert main(["download", "best", "--hub", "hf://me/none"]) == 1
    assert "hf://me/none does not give its commit" in capsys.readouterr().err
    assert main(["download", "best", "--hub", zoo]) == 0


def test_a_published_model_comes_from_another_hub_where_one_is_not_there(
    hub: HubServer, zoo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest(hubs=("hf://me/none", zoo), models={"best": carseg.info("run")})
    monkeypatch.setattr(module("hub.resolve"), "load_manifest", lambda: manifest)
    assert resolve("best").path.read_bytes() == Path("run/best/model.safetensors").read_bytes()
    monkeypatch.setattr(module("hub.resolve"), "load_manifest", lambda: replace(manifest, hubs=("hf://me/none",)))
    use_another_machine(monkeypatch)
    with pytest.raises(HubError, match=r"\(hf://me/none: does not give its commit: .*\): check the network"):
        resolve("best")


def test_a_file_that_is_not_the_one_of_the_config(hub: HubServer) -> None:
    push("run", "hf://me/cars")
    hub.commit("me/cars", {"model.safetensors": b"x" * 100})
    with pytest.raises(HubError, match=r"hf://me/cars@.* sha256 differs"):
        Path("cache").rename("old")
        carseg.load("hf://me/cars")


def test_commands(hub: HubServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["hub", "push", "run/best", "hf://me/cars", "--private"]) == 0
    address = capsys.readouterr().out.strip()
    assert address == f"hf://me/cars@{hub.repositories['me/cars'].newest}" and hub.repositories["me/cars"].private
    use_another_machine(monkeypatch)
    assert main(["download", "hf://me/cars"]) == 0
    assert Path(capsys.readouterr().out.strip()).read_bytes() == Path("run/best/model.safetensors").read_bytes()
    monkeypatch.setenv("CARSEG_OFFLINE", "1")
    assert main(["info", "hf://me/cars", "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "best"
    assert main(["verify", "hf://me/cars"]) == 0
    blocks().save("car.png")
    assert main(["predict", "car.png", "--model", "hf://me/cars", "-o", "out"]) == 0
    assert [path.parent.name for path in mirror("folder", ["hf://me/cars"])] == ["best"]
    assert main(["hub", "push", "nowhere", "hf://me/cars"]) == 2
