"""The numbers that the documentation promises are those of the code."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from PIL import Image

from carseg._files import parse_json
from carseg.data.formats import _documents
from carseg.hub import _schema, http, manifest, model_info
from carseg.labels import IGNORE
from carseg.runtimes import calibration
from carseg.serving import Limits
from carseg.serving import run as serving
from carseg.training import run_folder

from documents import DOCS

MIB, GIB = 1 << 20, 1 << 30
TIMEOUT, PATIENCE, WAIT = [f"{seconds:g} s" for seconds in (http._TIMEOUT[0], http._PATIENCE, http._LONGEST_WAIT)]
SILENCE, ANSWER = f"{http._TIMEOUT[1]:g} s", f"{http._ANSWER:g} s"
RATE = http._SLOWEST
CONFIG = f"{manifest.LARGEST_CONFIG // MIB} MiB, {manifest._MOST_VALUES} values, {manifest._DEEPEST}"

SERVED = Limits()

# Rows of the table of limits, by how they begin, and how their second cell does.
LIMITS = {
    "pixels of an image": f"{2 * (Image.MAX_IMAGE_PIXELS or 0)},",
    "memory of decoding": "7.6, of WebP 16",
    "pixels a side": f"{model_info._LARGEST_SIDE}",
    "`config.json`": f"{CONFIG} levels",
    "a list, a text": f"{_schema._MOST} values, {_schema._LONGEST} characters",
    "`run.json`, a calibration": f"{run_folder._LARGEST_START // MIB} MiB",
    "a manifest": f"{manifest._LARGEST_MANIFEST // MIB} MiB",
    "weights that": f"{model_info._LARGEST_FILE // GIB} GiB",
    "`data.yaml`": f"{_documents.MOST_YAML_BYTES // MIB} MiB, {_documents.MOST_YAML_NODES} values with all aliases "
    f"written out, numbers of {_documents._LONGEST_NUMBER} characters",
    "a label file as JSON": "as large as you let it be; it takes up to 50 times its bytes",
    "coordinates": f"{_documents.FARTHEST:.0f} pixels",
    "classes": f"{IGNORE}",
    "images and labels in `.npz`": "as many pixels each as an image",
    "a download": f"{TIMEOUT}, {SILENCE}, {ANSWER}",
    "retries": f"{len(http._DELAYS)}, {WAIT}",
    "a rate": f"{RATE} bytes a second, {PATIENCE}",
    "an image or a config": f"{http._LARGEST} bytes",
    "a request to `carseg serve`": f"{SERVED.bytes} bytes, {SERVED.pixels} pixels an image, {SERVED.files} files, "
    f"{SERVED.seconds:g} s to arrive and {SERVED.seconds:g} s to be answered",
    "requests to it at once": f"{SERVED.places} places, {serving._CONNECTIONS}",
}
# The same in the guides, wherever they say it.
SENTENCES = {
    "guides/hub.md": [
        f"{CONFIG} levels, "
        f"{_schema._MOST} values in a list, {_schema._LONGEST} characters in a text, images of up to "
        f"{model_info._LARGEST_SIDE} pixels a side",
        f"| a connection, and silence within an answer | {TIMEOUT}, and {SILENCE} |",
        f"| the start of an answer, redirections included | {ANSWER} |",
        f"| {len(http._DELAYS)}, after " + "{:g} s, {:g} s and {:g} s |".format(*http._DELAYS),
        f"honoured up to {WAIT}",
        f"| a rate below {RATE // 1000} kB a second | given up after {PATIENCE} |",
        f"| an image | {http._LARGEST // MIB} MiB |",
    ],
    "guides/service.md": [
        f"| `--places` | {SERVED.places} |",
        f"| `--max-bytes` | {SERVED.bytes} |",
        f"| `--max-pixels` | {SERVED.pixels} |",
        f"| `--max-files` | {SERVED.files} |",
        f"| `--timeout` | {SERVED.seconds:g} |",
        f"after three times `--timeout` and {serving._IDLE} seconds; {serving._CONNECTIONS} may be open",
    ],
    "guides/predict.md": [f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} million pixels", "| WebP | 16 |"],
}


def rows() -> dict[str, str]:
    """Return the cells of the table of limits: the second by the first."""
    table = (DOCS / "security.md").read_text("utf-8").split("## Limits\n\n")[1].split("\n\n")[0]
    cells = (line.strip("| ").split(" | ") for line in table.splitlines()[2:])
    return {what: limit for what, limit in cells}


def test_every_limit_is_that_of_the_code() -> None:
    stated = rows()
    found = {begin: [limit for what, limit in stated.items() if what.startswith(begin)] for begin in LIMITS}
    assert len(stated) == len(LIMITS)
    for begin, limit in LIMITS.items():
        assert len(found[begin]) == 1 and found[begin][0].startswith(limit), (begin, found[begin], limit)


@pytest.mark.parametrize("page", SENTENCES)
def test_so_is_what_the_guides_say(page: str) -> None:
    text = " ".join((DOCS / page).read_text("utf-8").split())
    for sentence in SENTENCES[page]:
        assert sentence in text


def test_the_files_of_one_megabyte_are_the_same() -> None:
    assert calibration._LARGEST == run_folder._LARGEST_START


@pytest.mark.parametrize("unit", ["[]", '{"a": 1}', "[" * 900 + "]" * 900, '{"": ' * 900 + "{}" + "}" * 900])
def test_json_takes_no_more_memory_than_stated(unit: str) -> None:
    text = ("[" + f"{unit}," * (200_000 // len(unit)) + "0]").encode()
    tracemalloc.start()
    parse_json(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    [stated] = re.findall(r"up to (\d+) times its bytes", rows()["a label file as JSON"])
    assert peak < int(stated) * len(text)
