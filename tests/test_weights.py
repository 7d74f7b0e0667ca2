"""Every weight in weights/ is what the manifest says it is, and the table of the README is what the manifest says."""

import json

import numpy as np
import pytest
import torch

from carseg import Segmenter, load
from carseg.cli.main import main
from carseg.hub.catalog import DEFAULT_MODEL
from carseg.hub.create import create_model
from carseg.hub.manifest import CONFIG, ROOT, load_manifest, read_config
from carseg.hub.resolve import resolve
from carseg.runtimes import start_runtime
from recipes import readme
from recipes.measure import GOLDEN, golden_logits
from recipes.recipe import FOLDER

MODELS = load_manifest().models
WEIGHTS = load_manifest().weights
STORED = [name for name in WEIGHTS if (ROOT / "weights" / name / WEIGHTS[name].file).exists()]
HERE = [name for name in STORED if name in MODELS]


def test_the_embedded_weights_are_small_and_the_default_is_one_of_them() -> None:
    embedded = [info for info in MODELS.values() if info.embedded]
    assert DEFAULT_MODEL in {info.name for info in embedded} <= set(HERE)
    assert all(info.bytes < 6_000_000 for info in embedded)


def test_nothing_lies_there_that_the_manifest_does_not_name() -> None:
    assert {path.name for path in (ROOT / "weights").iterdir()} <= set(WEIGHTS)


@pytest.mark.parametrize("name", STORED)
def test_file_and_network_are_what_the_manifest_says(name: str) -> None:
    info = WEIGHTS[name]
    resolved = resolve(name)  # checks the sha256
    assert read_config(ROOT / "weights" / name / CONFIG) == info
    assert resolved.path.stat().st_size == info.bytes < 80_000_000
    with torch.device("meta"):
        network = create_model(info.architecture, len(info.labels), in_channels=info.input.channels)
    network.drop_training_heads()
    assert sum(p.numel() for p in network.parameters()) == info.parameters
    assert (FOLDER.parent / info.recipe).exists() and (ROOT / "weights" / name / "README.md").exists()
    assert info.data and info.metrics and info.commercial_use in ("yes", "no", "unclear")


@pytest.mark.parametrize("name", MODELS)
def test_int8_needs_no_images_and_costs_at_most_half_a_point(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    int8 = MODELS[name].int8
    assert int8 is not None and int8.ranges
    assert max(int8.miou_lost, int8.miou_lost_seven_bits) <= 0.005
    assert main(["info", name]) == 0
    assert f"{-100 * int8.miou_lost:+.2f} points of mIoU" in capsys.readouterr().out


@pytest.mark.parametrize("name", STORED)
def test_logits_are_those_of_the_release(name: str) -> None:
    resolved = resolve(name)
    segmenter = Segmenter(resolved.info, start_runtime(resolved, "torch", "cpu", "float32", None))
    golden = json.loads((ROOT / "weights" / name / GOLDEN).read_text())
    np.testing.assert_allclose(golden_logits(segmenter), golden, atol=2e-2, rtol=1e-2)


@pytest.mark.parametrize("name", [name for name in HERE if MODELS[name].bytes < 6_000_000 or name.startswith("fcn")])
def test_the_plain_network_computes_what_is_predicted_with(name: str) -> None:
    network = create_model(MODELS[name].architecture, weights=name).eval()
    runtime = load(name, device="cpu", runtime="torch", precision="float32").runtime
    x = np.random.default_rng(0).standard_normal((2, 3, 64, 96), np.float32)
    with torch.inference_mode():
        ours = network(torch.from_numpy(x)).numpy()
    theirs = runtime(x)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * abs(theirs).max())  # fusing rounds


def test_the_readme_shows_the_manifest() -> None:
    text = readme.README.read_text("utf-8")
    assert readme.with_table(text, MODELS) == text
