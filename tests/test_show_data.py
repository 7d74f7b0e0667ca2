"""``carseg data show``: a page of a data set that begins with what should be looked at."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg.data
from carseg import OptionError
from carseg.cli.main import main
from carseg.labels import CARPARTS
from carseg.workflows import show_data

from browser import Browser, with_browser
from drawn_car import drawn
from drawn_data import draw_image, save


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Return a data set with a good image, a crumb, a copy in another split, and an image that is torn."""
    root = tmp_path / "cars & parts"
    masks = {
        "train/good": drawn("left"),
        "train/crumb": drawn("front"),
        "train/torn": drawn("front-left"),
        "val/copy": drawn("left"),
    }
    for name, mask in masks.items():
        split, _, stem = name.partition("/")
        large = np.kron(mask, np.ones((8, 8), np.uint8))
        if stem == "crumb":
            large[500:503, 500:503] = CARPARTS.classes.index("wheel")
        save(root / split / "images" / f"{stem}.png", draw_image(large))
        save(root / split / "masks" / f"{stem}.png", large)
    torn = root / "train/images/torn.png"
    torn.write_bytes(torn.read_bytes()[:200])
    (root / "classes.txt").write_text("\n".join(CARPARTS.classes))
    return root


def test_what_is_wrong_comes_first_and_every_image_once(bad: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "page"
    assert main(["data", "show", str(bad), "--out", str(out)]) == 1
    assert capsys.readouterr().out == f"{out / 'index.html'}: 4 images, 2 problems, 1 suspicious labels\n"
    text = (out / "index.html").read_text("utf-8")
    captions = re.findall("<figcaption>(.*?)</figcaption>", text)
    assert captions == ["train/torn", "val/copy", "train/crumb", "train/good"]
    for reason in ("broken or truncated", "nearly the same as good of train", "wheel has a tiny piece"):
        assert reason in text
    assert "cars &amp; parts" in text
    assert re.findall(r'src="(.*?)" loading="lazy"', text) == [f"images/{number}.jpg" for number in (3, 0, 1)]
    assert {path.name for path in (out / "images").iterdir()} == {"0.jpg", "1.jpg", "3.jpg"}


def test_the_labels_are_drawn_over_the_image_and_what_is_suspicious_is_marked(bad: Path, tmp_path: Path) -> None:
    show_data(bad, tmp_path / "page")
    with Image.open(tmp_path / "page/images/0.jpg") as image:
        pixels = np.asarray(image).astype(int)
    hood = CARPARTS.classes.index("hood")
    drawn_over = 0.45 * np.array(CARPARTS.colors[hood]) + 0.55 * draw_image(np.full((1, 1), hood, np.uint8))[0, 0]
    assert np.abs(pixels[28 * 8, 32 * 8] - drawn_over).max() < 20
    assert np.abs(pixels[500:503, 496] - (255, 0, 140)).max() < 90  # left of the crumb


def test_a_good_set_is_said_to_be_one_and_a_page_is_replaced(bad: Path, tmp_path: Path) -> None:
    out = tmp_path / "page"
    show_data(bad, out)
    (bad / "train/images/torn.png").unlink()
    (bad / "train/masks/torn.png").unlink()
    findings = show_data(bad / "train", out, labels="carparts")
    assert findings == carseg.data.check(bad / "train", labels="carparts")
    assert "Every image and label can be read." in (out / "index.html").read_text("utf-8")
    assert len(list((out / "images").iterdir())) == 2


def test_nothing_else_is_replaced(bad: Path, tmp_path: Path) -> None:
    before = sorted(bad.rglob("*"))
    for out in (bad, bad / "page"):
        with pytest.raises(OptionError, match="choose a"):
            show_data(bad, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/index.html.bak").write_text("mine")
    with pytest.raises(OptionError, match=r"index\.html\.bak, which is not from such a page"):
        show_data(bad, tmp_path / "mine")
    assert sorted(bad.rglob("*")) == before


@with_browser
@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_the_page_fits_the_screen(bad: Path, tmp_path: Path, width: int, dark: bool) -> None:
    show_data(bad, tmp_path / "page")
    with Browser(width, dark=dark) as browser:
        browser.open((tmp_path / "page/index.html").as_uri())
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        assert browser.run("[...document.images].every(image => image.alt)")
        browser.run("[...document.images].forEach(image => image.loading = 'eager')")
        browser.until("[...document.images].every(image => image.naturalWidth)")
        light = browser.run("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", light)[:3])) < 200) == dark
        assert browser.errors == []
