"""Short names of recommended models."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import carseg
from carseg.errors import OptionError, UnknownNameError
from carseg.hub import RECOMMENDED, full_name, load_manifest, resolve
from carseg.hub.resolve import copies

MODELS = load_manifest().models


@pytest.mark.parametrize(("short", "choice"), RECOMMENDED.items())
def test_a_short_name_stands_for_a_model_of_the_package(short: str, choice: object) -> None:
    info = carseg.info(short)
    assert info.name == RECOMMENDED[short].model and info.embedded
    if copies(info):
        assert resolve(short) == resolve(info.name)


def test_a_name_like_no_other_is_answered_with_those_that_are_recommended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARSEG_HUB", raising=False)
    for ask in (carseg.info, resolve):
        with pytest.raises(UnknownNameError, match="recommended are parts, car, road, drivable, and `carseg models`"):
            ask("quite-another")


def test_other_names_and_folders_stay_what_they_are(tmp_path: Path) -> None:
    assert full_name("unet-carvana") == "unet-carvana"
    assert full_name(tmp_path) == str(tmp_path)


def test_no_model_has_a_short_name() -> None:
    assert RECOMMENDED.keys().isdisjoint(MODELS)


def test_a_folder_of_the_same_name_is_not_guessed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = Path(carseg.hub.ROOT, "weights", RECOMMENDED["car"].model, "config.json")
    if not config.exists():
        pytest.skip("the weights are not in this checkout")
    Path("car", "best").mkdir(parents=True)
    shutil.copy(config, "car/best")
    with pytest.raises(OptionError, match=r"write \./car or fpn-efficientnet-lite1-carvana"):
        carseg.load("car")
    assert carseg.info("./car").name == "fpn-efficientnet-lite1-carvana"
