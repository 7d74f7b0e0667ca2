"""The documentation as a stranger sees it: the site builds, and its pages fit their screens and can be read."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from carseg.hub.catalog import DEFAULT_MODEL
from carseg.hub.manifest import ROOT

from browser import Browser, with_browser

PAGES = (
    *("index", "zoo/index", "zoo/fpn-mobilenetv2-carparts/index", "zoo/unet-carvana/index"),
    *(f"guides/{name}/index" for name in ("report", "cutout", "video", "service", "scale", "phone")),
)
# Sides that a page has beyond the window, but for what lies in a box that is scrolled by itself.
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_NAMELESS = """[...document.querySelectorAll('.md-content img, .md-content [role=img]')]
    .filter((image) => !(image.alt || image.getAttribute('aria-label'))).map((image) => image.outerHTML)"""
_HEADINGS = "[...document.querySelectorAll('.md-content :is(h1, h2, h3, h4, h5, h6)')].map((head) => +head.tagName[1])"
# Texts whose contrast with the colour behind them is below that of WCAG 2 AA, with the ratio.
_FAINT = """(() => {
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const opacity = (color) => color[3] ?? 1;
    const over = (front, back) => back.map((v, i) => front[i] * opacity(front) + v * (1 - opacity(front)));
    const behind = (node) => {
        if (!node) return [255, 255, 255];
        const color = channels(getComputedStyle(node).backgroundColor);
        return opacity(color) === 1 ? color : over(color, behind(node.parentElement));
    };
    const faint = [];
    const texts = document.createTreeWalker(document.querySelector('.md-content'), NodeFilter.SHOW_TEXT);
    for (let text; (text = texts.nextNode()); ) {
        const node = text.parentElement, style = getComputedStyle(node), size = parseFloat(style.fontSize);
        if (!text.data.trim() || !node.getClientRects().length || node.closest('svg, .headerlink, button')) continue;
        const back = behind(node), front = over(channels(style.color), back);
        const [high, low] = [luminance(front), luminance(back)].sort((a, b) => b - a);
        const ratio = (high + 0.05) / (low + 0.05);
        const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        if (ratio.toFixed(1) < (large ? 3 : 4.5)) faint.push(`${text.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
    return faint;
})()"""
# Builds the site with the drawn result of one weight: those of all others take as long as all the rest.
_BUILD = f"""
import sys
sys.path.insert(0, "docs")
import weight_pages
draw = weight_pages.drawn_result
weight_pages.drawn_result = lambda name: draw(name) if name == {DEFAULT_MODEL!r} else None
from mkdocs.__main__ import cli
cli()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocstrings", reason="pip install 'carseg[docs]' to build the documentation")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-c", _BUILD, "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_the_site_builds(site: Path):
    assert (site / "zoo" / "index.html").exists()
    assert (site / "zoo" / f"{DEFAULT_MODEL}.jpg").exists()


@with_browser
@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)], ids=["screen in light", "phone in dark"])
def test_pages_fit_their_screens_and_can_be_read(site: Path, width: int, phone: bool):
    faults = {}
    with Browser(width, 844, dark=phone, touch=phone) as browser:
        for page in PAGES:
            browser.open((site / f"{page}.html").as_uri())
            wide, levels = browser.run(_OVERFLOW), browser.run(_HEADINGS)
            steps = [below - above for above, below in itertools.pairwise(levels)]
            headed = levels[0] == 1 and levels.count(1) == 1 and max(steps, default=0) <= 1
            found = [*browser.run(_NAMELESS), *browser.run(_FAINT)]
            found += [f"{wide} pixels beyond the screen"] * (wide > 0) + [f"headings {levels}"] * (not headed)
            if found:
                faults[page] = found
    assert faults == {}
