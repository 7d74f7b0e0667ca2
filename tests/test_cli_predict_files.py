"""Which images ``carseg predict`` takes, and what it calls the files that it writes."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from color_hub import photo
from predicting import predict, written

pytestmark = pytest.mark.usefixtures("blocks_hub")


def test_inputs_that_differ_in_the_extension_keep_it():
    for name in ("img.jpg", "img.png", "img.jpg.png", "other.png"):
        photo(Path("in") / name)
    assert predict("in", "--save", "mask") == 0
    assert written() == ["img.jpg.mask.png", "img.jpg.png.mask.png", "img.png.mask.png", "other.mask.png"]


def test_folders_that_collide_are_told_apart_by_their_names():
    for name in ("x/front/img.png", "y/front/img.png", "y/front/deep/two.png"):
        photo(Path(name))
    assert predict("x/front", "y/front", "--save", "mask") == 0
    assert written() == ["x/front/img.mask.png", "y/front/deep/two.mask.png", "y/front/img.mask.png"]
    assert predict("x/front/img.png", "y/front/deep", "--save", "mask", "--out", "flat") == 0
    assert written("flat") == ["img.mask.png", "two.mask.png"]


def test_an_image_that_is_given_twice_is_done_once(capsys):
    photo(Path("in/img.png"))
    assert predict("in", "in/img.png", "./in", "in/*.png", "--format", "json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_results_of_earlier_runs_are_no_inputs(capsys):
    photo(Path("img.png"))
    photo(Path("sub/img.png"))
    for out in ("once", "once", "again"):
        assert predict(".", "--format", "json", "--out", out) == 0
        assert len(capsys.readouterr().out.splitlines()) == 2
    assert predict("**/*.png", "--format", "json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_same_command_again_is_given_its_own_results(capsys):
    photo(Path("img.png"))
    for _ in range(2):
        assert predict(*sorted(Path().iterdir()), "--save", "json") == 0
        assert "1 of 1 done" in capsys.readouterr().err
    assert predict("carseg-out") == 2


def test_results_may_go_above_the_images(capsys):
    photo(Path("in/sub/img.png"))
    for _ in range(2):
        assert predict("in/sub", "--out", "in", "--save", "mask") == 0
    assert written("in") == ["img.mask.png", "sub/img.png"]


def test_results_do_not_go_among_the_images(capsys):
    photo(Path("in/img.png"))
    assert predict("in", "--out", "in") == 2
    assert "choose another" in capsys.readouterr().err
    assert [path.name for path in Path("in").iterdir()] == ["img.png"]


def test_addresses(capsys, server):
    server.files["/cars/img.png"] = photo(Path("img.png")).read_bytes()
    good, bad = f"{server.url}/cars/img.png", f"{server.url}/cars/none.png"
    assert predict(good, bad, "--format", "json", "--save", "mask") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["source"] == good
    assert err.count(bad) == 1
    assert written() == ["img.mask.png"]


def test_what_is_no_address_is_named_and_the_rest_done(capsys):
    photo(Path("img.png"))
    bad = ["http://a..b/x.png", "http://[bad", ""]
    assert predict("img.png", *bad, "--save", "mask") == 1
    err = capsys.readouterr().err
    assert all(address in err for address in bad) and "Traceback" not in err
    assert written() == ["img.mask.png"]


def test_the_query_of_an_address_is_no_part_of_a_name(server):
    signed, *views = (f"/img.png?{query}" for query in (f"signature={'s.' * 200}", "view=1", "view=2"))
    server.files |= dict.fromkeys((signed, *views), photo(Path("img.png")).read_bytes())
    assert predict(server.url + signed, "--save", "mask") == 0
    assert written() == ["img.mask.png"]
    assert predict(*(server.url + view for view in views), "--save", "mask", "--out", "both") == 0
    assert len(written("both")) == 2 and all(name.startswith("img-") for name in written("both"))


def test_addresses_that_look_alike_write_files_of_their_own(server):
    images = [f"/d/a{sign}b.png" for sign in ("%20", "+", "%28")]
    server.files |= dict.fromkeys(images, photo(Path("img.png")).read_bytes())
    assert predict(*(server.url + image for image in images), "--save", "mask") == 0
    assert len(written()) == 3


def test_a_file_may_be_called_like_a_home():
    photo(Path("~tmp.png"))
    assert predict("~tmp.png", "--save", "mask") == 0
    assert written() == ["~tmp.mask.png"]


def test_names_differ_by_more_than_their_case():  # which macOS and Windows do not tell apart
    photo(Path("A/cars/IMG.png"))
    photo(Path("A/cars/img.jpg"))
    photo(Path("b/Cars/img.webp"))
    assert predict("A/cars", "b/Cars", "--save", "mask") == 0
    names = [name.casefold() for name in written()]
    assert len(names) == len({*names}) == 3


def test_what_carseg_did_not_write_is_not_overwritten(capsys):
    photo(Path("a.png"))
    photo(Path("a.cutout.png"))
    Path("a.json").write_text('{"version": "5.0", "shapes": []}')  # labelme's
    assert predict("a.png", "--out", ".", "--save", "json") == 2
    assert "a.json exists and is not a result of carseg" in capsys.readouterr().err
    assert Path("a.json").read_text().startswith('{"version"')
    assert predict("a.png", "a.cutout.png", "--out", ".", "--save", "cutout") == 2
    assert "a.cutout.png is one of the images" in capsys.readouterr().err
    for _ in range(2):  # what it wrote itself it may
        assert predict("a.png", "--save", "json") == 0


def test_file_names_that_are_no_text(capsys):
    name = os.fsdecode(b"caf\xe9\x1b[31m.png")
    try:
        photo(Path(name))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert predict(name, "--save", "json") == 0
    assert capsys.readouterr().out.startswith("caf\\udce9\\x1b[31m.png")
    assert json.loads(Path("carseg-out", name).with_suffix(".json").read_bytes())["source"] == name


def data_uri(name: str) -> str:
    photo(Path(name))
    return "data:image/png;base64," + base64.b64encode(Path(name).read_bytes()).decode()


def test_data_uris_are_images(capsys):
    uris = data_uri("given/one.png"), data_uri("given/two.png") + "="
    assert predict(*uris, "--save", "mask", "--format", "json") == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(document["width"], document["height"]) for document in documents] == [(96, 64)] * 2
    assert {document["files"]["mask"] for document in documents} == {f"carseg-out/{name}" for name in written()}
    assert len(written()) == 2


def test_what_is_wrong_with_a_long_text_is_one_short_line(capsys):
    for given in ("data:image/png;base64," + "A" * 50_000, "A" * 50_000):
        assert predict(given) != 0
        assert max(map(len, capsys.readouterr().err.splitlines())) < 300


def test_files_of_earlier_runs_are_not_replaced_unsaid(capsys):
    photo(Path("left/1.png"))
    photo(Path("right/1.png"))
    assert predict("left", "--save", "mask") == 0
    assert "replaced" not in capsys.readouterr().err
    assert predict("right", "--save", "mask") == 0
    assert "results of earlier runs in carseg-out are replaced (files: 1)" in capsys.readouterr().err


def test_a_larger_image_is_refused_and_allowed_by_the_command_line(capsys, monkeypatch):
    photo(Path("img.png"))  # 96 x 64
    assert predict("img.png", "--max-pixels", "6143") == 1
    assert "img.png: 96 x 64 are more than 6143 pixels" in capsys.readouterr().err
    monkeypatch.setenv("CARSEG_MAX_PIXELS", "100")
    assert predict("img.png") == 1
    assert predict("img.png", "--max-pixels", "6144") == 0
    monkeypatch.setenv("CARSEG_MAX_PIXELS", "1e9")
    assert predict("img.png") == 2
    assert "CARSEG_MAX_PIXELS is '1e9'" in capsys.readouterr().err
