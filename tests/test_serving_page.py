"""The page of the service, in a browser: what is given, what lights up, what is cut out, what goes wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from carseg.inference import Segmenter

from browser import Browser, with_browser
from color_hub import photo
from service import Service, load_blocks, renamed, running

pytestmark = with_browser


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return load_blocks(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def service(model: Segmenter) -> Iterator[Service]:
    with running(model, renamed(model, "other")) as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: Service) -> Browser:
    """Return the browser at the page, which has complained of nothing yet."""
    browser.errors.clear()
    browser.requests.clear()
    browser.open(f"{service.url}/")
    return browser


@pytest.fixture
def car(tmp_path: Path) -> Path:
    """Return an image whose left third is a left door, and right third a wheel."""
    return photo(tmp_path / "car.png", 192, 128)


def place(page: Browser, x: float, y: float) -> tuple[float, float]:
    """Return where a place of the photo, in shares of its sides, is on the page."""
    box = page.run("JSON.stringify(document.getElementById('canvas').getBoundingClientRect())")
    left, top, width, height = (json.loads(box)[name] for name in ("left", "top", "width", "height"))
    return left + x * width, top + y * height


def pixel(page: Browser, x: float, y: float) -> list[int]:
    """Return the colour that is seen at a place of the photo."""
    script = "Array.from(c.getContext('2d').getImageData({x} * c.width, {y} * c.height, 1, 1).data)"
    return page.run(f"(c => {script.format(x=x, y=y)})(document.getElementById('canvas'))")


def names(page: Browser) -> list[str]:
    return page.run("[...document.querySelectorAll('#list .name')].map(name => name.textContent)")


def test_a_photo_is_shown_with_its_parts(page: Browser, car: Path) -> None:
    page.give("#input-files", car)
    page.until("document.querySelectorAll('#list button').length === 2")
    assert sorted(names(page)) == ["Left door", "Wheel"]
    assert "2 parts in car.png, 192 x 128 pixels" in page.run("document.getElementById('summary').textContent")
    words = page.run("document.querySelector('#list button').getAttribute('aria-label')")
    assert words.startswith(names(page)[0]) and re.search(r"3\d % of the photo, score 1.00", words)
    tinted, plain = pixel(page, 0.15, 0.5), pixel(page, 0.5, 0.5)
    assert tinted[:3] != [255, 0, 0] and plain[:3] == [0, 0, 0]
    assert page.errors == []
    assert [address for address in page.requests if "127.0.0.1" not in address and ":" in address[:5]] == []


def test_the_part_under_the_pointer_lights_up(page: Browser, car: Path) -> None:
    page.give("#input-files", car)
    page.until("document.querySelectorAll('#list button').length === 2")
    before = pixel(page, 0.85, 0.5)
    page.move(*place(page, 0.15, 0.5))
    tip = page.until("!document.getElementById('tip').hidden && document.getElementById('tip').textContent")
    assert tip.startswith("Left door") and re.search(r"3\d % of the photo, score", tip)
    assert page.run("document.querySelector('#list .lit .name').textContent") == "Left door"
    assert pixel(page, 0.85, 0.5) != before  # the others step back
    page.move(*place(page, 0.5, 0.5))
    page.until("document.getElementById('tip').hidden && !document.querySelector('#list .lit')")
    assert pixel(page, 0.85, 0.5) == before
    page.run("[...document.querySelectorAll('#list button')].find(b => b.textContent.startsWith('Wheel')).click()")
    assert page.run("document.querySelector('#list [aria-pressed=true] .name').textContent") == "Wheel"
    assert "Wheel: 3" in page.run("document.getElementById('said').textContent")


def test_it_works_by_keys_alone(page: Browser, car: Path) -> None:
    page.give("#input-files", car)
    page.until("document.querySelectorAll('#list button').length === 2")
    page.run("document.getElementById('tab-parts').focus()")
    page.press("Tab")
    assert page.run("document.activeElement.closest('#list') !== null")
    assert page.run("document.querySelector('#list .lit') === document.activeElement")
    page.press("Enter")
    assert page.run("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.run("document.getElementById('tab-parts').focus()")
    page.press("ArrowRight")
    page.until("!document.getElementById('cut').hidden && document.activeElement.id === 'tab-cut'")
    unnamed = (
        "[...document.querySelectorAll('button, input, select')].filter(e => e.offsetParent && !e.textContent.trim()"
    )
    assert page.run(f"{unnamed} && !e.ariaLabel && !e.labels?.length && !e.title).length") == 0


def test_several_photos_one_of_which_is_none(page: Browser, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_bytes(b"no image")
    photos = [photo(tmp_path / f"{i}.png", 60 + i, 50) for i in range(4)]
    page.give("#input-files", *photos, tmp_path / "notes.png")
    page.until("document.querySelectorAll('#photos .done').length === 4")
    page.until("document.querySelectorAll('#photos .failed').length === 1")
    page.run("document.querySelector('#photos .failed').click()")
    said = page.until("!document.getElementById('trouble').hidden && document.querySelector('#trouble p').textContent")
    assert said.startswith("notes.png: not an image of a format that carseg reads")
    page.run("document.querySelectorAll('#photos button')[2].click()")
    page.until("document.getElementById('summary').textContent.includes('2.png, 62 x 50')")
    assert page.run("document.getElementById('trouble').hidden")


def test_a_cutout_on_a_colour_and_on_a_photo(page: Browser, car: Path, tmp_path: Path) -> None:
    shown = "(i => !i.hidden && i.complete && i.naturalWidth)(document.getElementById('cutout'))"
    at = """(() => { const x = new OffscreenCanvas(192, 128).getContext('2d');
        x.drawImage(document.getElementById('cutout'), 0, 0);
        return Array.from(x.getImageData(96, 64, 1, 1).data).join(); })()"""
    page.give("#input-files", car)
    page.run("document.getElementById('tab-cut').click()")
    assert page.until(shown) == 192
    assert page.run(at) == "0,0,0,0"
    page.run("document.querySelector('[name=background][value=\"#ffffff\"]').click()")
    page.until(f"{shown} && {at} === '255,255,255,255'")
    sky = photo(tmp_path / "sky.png", 192, 128)
    page.give("#input-background", sky)
    page.run("document.querySelector('[name=background][value=photo]').checked = true")
    page.until(f"{shown} && {at} === '0,0,0,255'")
    assert page.errors == []


def test_a_cutout_in_a_frame_with_a_shadow(page: Browser, car: Path) -> None:
    page.give("#input-files", car)
    page.run("document.getElementById('tab-cut').click(); document.getElementById('shadow').click()")
    page.run("(s => { s.value = '1200x1200'; s.dispatchEvent(new Event('change')); })(document.getElementById('size'))")
    page.until("!document.getElementById('cutout').hidden && document.getElementById('cutout').naturalWidth === 1200")
    assert any("shadow=true&size=1200x1200" in address for address in page.requests)


def test_a_report_of_all_photos(page: Browser, car: Path, tmp_path: Path) -> None:
    page.give("#input-files", car, photo(tmp_path / "other.png", 96, 64))
    page.run("document.getElementById('tab-report').click()")
    page.until("document.querySelectorAll('#report .crops img').length === 2")
    text = page.run("document.getElementById('report-content').textContent")
    assert "2 of 3 parts are seen" in text and "Not seen: Right door." in text and "Photo 2" in text
    page.run("document.querySelector('#report .checked li:last-child button').click()")
    page.until("document.querySelectorAll('#photos button')[1].getAttribute('aria-current') === 'true'")
    assert page.errors == []


def test_another_model_is_asked_again(page: Browser, car: Path) -> None:
    page.give("#input-files", car)
    page.until("document.querySelectorAll('#list button').length === 2")
    page.run("(s => { s.value = 'other'; s.dispatchEvent(new Event('change')); })(document.getElementById('model'))")
    page.until("document.querySelector('#photos .done') && document.querySelectorAll('#list button').length === 2")
    assert any("model=other" in address for address in page.requests)


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(service: Service, car: Path, dark: bool) -> None:
    with Browser(390, 844, dark=dark, touch=True) as phone:
        phone.open(f"{service.url}/")
        assert phone.run("getComputedStyle(document.querySelector('.buttons .touch')).display") != "none"
        phone.give("#input-camera", car)
        phone.until("document.querySelectorAll('#list button').length === 2")
        phone.tap(*place(phone, 0.15, 0.5))
        assert phone.until("document.getElementById('tip').textContent").startswith("Left door")
        assert phone.run("document.documentElement.scrollWidth") == 390
        paper = phone.run("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, paper.strip("rgb()").split(","))) < 128 * 3) == dark
        small = "[...document.querySelectorAll('button')].filter(e => e.offsetParent && e.offsetHeight < 40)"
        assert phone.run(f"{small}.length") == 0


def test_the_key_is_asked_for(model: Segmenter, browser: Browser, car: Path) -> None:
    with running(model, api_key="secret") as service:
        browser.open(f"{service.url}/")
        browser.until("document.getElementById('key-dialog').open")
        browser.run("document.getElementById('key').value = 'secret'; document.querySelector('dialog button').click()")
        browser.give("#input-files", car)
        browser.until("document.querySelectorAll('#list button').length === 2")


def test_the_interface_is_shown(page: Browser, service: Service) -> None:
    page.open(f"{service.url}/docs")
    page.until("document.querySelectorAll('article').length >= 5")
    text = page.run("document.querySelector('main').textContent")
    for word in ("/predict", "/cutout", "/models", "/healthz", "/metrics", "Retry-After", "curl -F image=@car.jpg"):
        assert word in text
    assert page.errors == []
