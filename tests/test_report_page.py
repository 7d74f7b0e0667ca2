"""The page of ``carseg report`` in a browser: on a phone and a screen, by day and by night, needing nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

import carseg

from drawn_car import drawn
from drawn_photos import MODEL, photo, pixels, write_hub

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# What is asked of the page within a frame as wide as the screen.
SCRIPT = """
onload = () => {
  const page = document.querySelector('iframe').contentDocument, root = page.documentElement;
  const paint = element => getComputedStyle(element);
  document.querySelector('pre').textContent = JSON.stringify({
    overflow: root.scrollWidth - root.clientWidth,
    images: [...page.images].map(image => [image.alt, image.naturalWidth, image.getBoundingClientRect().width]),
    dead: [...page.querySelectorAll('a')].filter(link => !page.querySelector(link.getAttribute('href'))).length,
    reached: [...page.querySelectorAll('a, summary')].filter(each => (each.focus(), page.activeElement == each)).length,
    links: page.querySelectorAll('a, summary').length,
    ink: paint(page.body).color, paper: paint(page.body).backgroundColor,
  });
};
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a report that has something of everything: good, bad and unreadable photographs, gaps."""
    folder = tmp_path_factory.mktemp("report")
    model = carseg.load(MODEL, hub=write_hub(folder / "hub"), runtime="torch", device="cpu")
    photos = [
        photo(folder / f"{name}-with-a-long-name-as-of-a-camera-{'0' * 60}.png", name) for name in ("front", "left")
    ]
    photos.append(photo(folder / "blurred.png", "rear-left", blur=3))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    many = [pixels(drawn("rear-left"))] * 30
    carseg.report([*photos, folder / "broken.jpg", *many], folder / "out", model=model, require="right,wheel:4,hood")
    return folder / "out/report.html"


def seen_in_browser(page: Path, width: int, tmp_path: Path, *, dark: bool = False) -> dict[str, Any]:
    """Return what ``SCRIPT`` says of a page in a window of a width."""
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    frame = (
        f'<iframe width="{width}" height="900" style="border: 0" srcdoc="{escape(page.read_text("utf-8"))}"></iframe>'
    )
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(f"<!doctype html><body>{frame}<pre></pre><script>{SCRIPT}</script>", "utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    options += [f"--blink-settings=preferredColorScheme={int(not dark)}", f"--window-size={max(width, 600)},900"]
    options += ["--dump-dom", wrapper.as_uri()]
    dumped = subprocess.run([BROWSER, *options], capture_output=True, text=True, timeout=300, check=True).stdout
    found = re.search(r"<pre>(\{.*?\})</pre>", dumped, re.DOTALL)
    assert found, dumped[-500:]
    answer: dict[str, Any] = json.loads(unescape(found[1]))
    return answer


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_the_screen(page: Path, width: int, tmp_path: Path) -> None:
    seen = seen_in_browser(page, width, tmp_path)
    assert seen["overflow"] == 0
    assert len(seen["images"]) > 40
    for alt, pixels_across, shown in seen["images"]:
        assert alt and pixels_across > 0 and 100 <= shown <= width
    assert seen["dead"] == 0
    assert seen["reached"] == seen["links"] > 40  # by the keyboard


def test_the_page_is_dark_at_night(page: Path, tmp_path: Path) -> None:
    lights = {}
    for dark in (False, True):
        seen = seen_in_browser(page, 390, tmp_path, dark=dark)
        ink, paper = (sum(map(int, re.findall(r"\d+", seen[name])[:3])) for name in ("ink", "paper"))
        lights[dark] = ink, paper
    assert lights[False][0] < 200 < 600 < lights[False][1]
    assert lights[True][1] < 200 < 600 < lights[True][0]


def test_the_page_needs_nothing_from_elsewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert re.findall(r'(?:src|href)="(?!data:image/jpeg;base64,|#)[^"]*', text) == []
    assert "url(" not in text and "@import" not in text and "<script" not in text


def test_the_page_says_what_is_missing_and_wrong(page: Path) -> None:
    text = re.sub(r"<[^>]+>", " ", page.read_text("utf-8"))
    assert "Missing: the right side, 2 of 4 wheels (front right wheel, rear right wheel)" in text
    assert "it is blurred: hold the camera still" in text
    assert "broken.jpg: not an image" in text
    assert "Not seen: " in text and "right mirror" in text
    assert "and 11 more" in text  # photographs of the rear
