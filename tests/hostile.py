"""Hostile files and all that reads them: carseg's own errors and nothing else, soon and in little memory.

``TEXTS`` stand in place of a whole file, ``VALUES`` in place of each field of a sound one, at any depth. ``READERS``
are those of text, JSON, YAML, numpy's, safetensors' and torch's files; each returns what a command would print.

    python tests/hostile.py              every text and every value, through every reader: minutes
    python tests/hostile.py --every 19   every 19th of them, as in the tests
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # some of what torch imports late would count as the memory of a case

import carseg.data
from carseg.benchmarking.benchmark import _saved
from carseg.benchmarking.page import SCORES, write_benchmark_page
from carseg.benchmarking.rows import KEYS, compare_rows, failures, read_rows
from carseg.benchmarking.tables import ROW_FORMATS, format_classes, format_differences, format_rows
from carseg.cli.data import _report
from carseg.cli.models import _description, _json
from carseg.cli.outputs import Job, refuse_overwriting
from carseg.cli.terminal import echo
from carseg.errors import CarsegError, DataError
from carseg.hub.checkpoint import load_into
from carseg.hub.manifest import load_manifest
from carseg.hub.resolve import find_info
from carseg.runtimes.calibration import Calibration, read_calibration
from carseg.training.config import TrainingConfig
from carseg.training.log import COLUMNS, TrainingLog
from carseg.training.run_folder import RunStart, read_start
from carseg.training.state import read_state

from color_hub import NearestColor, write_model
from drawn_data import draw_image, draw_mask, save
from entries import example, info_of
from hostile_labels import LABELS

SECONDS = 5.0  # of the processor's time
BYTES = 1 << 30  # beyond what the process has before
LONGEST = 2000  # characters of a message
CONTROLS = "\x1b]0;pwned\x07\x9b2J\r\u202e"
DEEP = 100_000


def _laughing(levels: int) -> str:
    lines = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(["masks_dir: masks", "l0: &l0 [a, b]", *lines, f"names: *l{levels - 1}"])


TEXTS: dict[str, bytes] = {
    name: text if isinstance(text, bytes) else text.encode()
    for name, text in {
        "nothing": "",
        "null": "null",
        "a number": "3",
        "a text": '"x"',
        "an empty list": "[]",
        "an empty object": "{}",
        "a list of nothing": "[null]",
        "deep lists": "[" * DEEP,
        "deep lists that end": "[" * DEEP + "]" * DEEP,
        "deep objects": '{"a": ' * DEEP,
        "less deep": "[" * 900 + "]" * 900,
        "many lists": "[" + "[]," * 500_000 + "[]]",
        "many keys": "{" + ",".join(f'"{i}": {i}' for i in range(200_000)) + "}",
        "many digits": "9" * 100_000,
        "a number in sixties": "a: 1" + ":1" * 500_000,
        "many entries": "- a\n" * 250_000,
        "many anchors": "".join(f"a{i}: &a{i} x\n" for i in range(40_000)),
        "an entity that laughs": _laughing(9),
        "an entity in itself": "masks_dir: masks\nnames: &n [*n]\n",
        "a tag": "names: !!python/object/apply:os.getcwd []\n",
        "a tag of time": "names: !!timestamp door\n",
        "cut off": '{"a": [1, {"b": ',
        "NaN": "NaN",
        "Infinity": '{"a": -Infinity, "b": 1e400}',
        "half a letter": '{"\\ud800": "\\udfff"}',
        "not UTF-8": b"\xff\xfe\x00\x80" * 100,
        "zeros": bytes(10_000),
        "UTF-16": '{"a": 1}'.encode("utf-16"),
        "a mark first": '\ufeff{"a": 1}',
        "controls": f'{{"{CONTROLS}": "{CONTROLS}"}}'.encode("unicode_escape"),
        "bare controls": f"{CONTROLS}\n{CONTROLS}: {CONTROLS}",
        "a long line": "x," * 500_000,
        "many lines": "x\n" * 300_000,
        "a head of numpy": b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16,
        "a head of an archive": b"PK\x03\x04" + bytes(100),
        "a pickle": b"\x80\x02cos\ngetcwd\n)R.",
        "a page": "<!DOCTYPE html><html><body>404</body></html>",
    }.items()
}

VALUES: dict[str, str] = {
    "null": "null",
    "true": "true",
    "a number": "5",
    "less than nothing": "-7.5",
    "next to nothing": "5e-324",
    "next to everything": "1.7e308",
    "65 bits": str(1 << 65),
    "400 digits": "1" + "0" * 400,
    "5,000 digits": "9" * 5000,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "a text": '"x"',
    "no text": '""',
    "no path": '"\\u0000"',
    "a path": '"../../../../../../etc/passwd"',
    "half a letter": '"\\ud800"',
    "controls": json.dumps(CONTROLS),
    "markup": '"[red]<script>&lt;%s{0}"',
    "a long text": json.dumps("x" * 5000),
    "a list": "[]",
    "a list of lists": "[[[]]]",
    "a long list": "[" + "0," * 3000 + "0]",
    "an object": "{}",
    "depth": "[" * DEEP + "]" * DEEP,
}
_NAMED = ("the label of a ", "train.txt lists")  # does not fit its image; of a list, which is called so
_HERE = "@"  # stands for the value


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    Attributes:
        sound: a file that it reads: an object for JSON, else the file's content.
        read: takes a folder and the content of the file, and returns what is printed.
    """

    sound: Any
    read: Callable[[Path, bytes], str]

    @property
    def content(self) -> bytes:
        return self.sound if isinstance(self.sound, bytes) else json.dumps(self.sound).encode()

    def cases(self) -> Iterator[tuple[str, bytes]]:
        """Yield the files to read, with what each has been made of."""
        yield from TEXTS.items()
        if not isinstance(self.sound, bytes):
            for place, broken in damaged(self.sound):
                text = json.dumps(broken)
                for name, value in VALUES.items():
                    yield f"{place}: {name}", text.replace(f'"{_HERE}"', value).encode()


def damaged(document: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the place of each field and item of a document, at any depth, and a copy in which ``_HERE`` is there."""
    parts = document.items() if isinstance(document, dict) else enumerate(document) if _is_list(document) else ()
    for key, value in parts:
        for inside, inner in ((f"{place}.{key}", _HERE), *damaged(value, f"{place}.{key}")):
            whole = dict(document) if isinstance(document, dict) else list(document)
            whole[key] = inner
            yield inside, whole


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _labels(write: Callable[[Path, bytes], str]) -> Callable[[Path, bytes], str]:
    """Return a reader of labels, of which ``write`` writes a folder and names the format."""

    def read(folder: Path, content: bytes) -> str:
        findings = carseg.data.check(folder, format=write(folder, content))
        echo(json.dumps(findings.to_dict()))
        echo("\n".join(_report(findings)))
        for problem in findings.problems:  # an error as the command would end with for one image
            raise DataError(problem.text)
        return ""

    return read


def _label_set_beside(folder: Path, content: bytes) -> str:
    save(folder / "in/images/a.png", draw_image(draw_mask(0)))
    save(folder / "in/masks/a.png", draw_mask(0))
    (folder / "in/labels.json").write_text(json.dumps(LABEL_SET))
    (folder / "out").mkdir()
    (folder / "out/labels.json").write_bytes(content)
    return str(carseg.data.convert(carseg.data.load(folder / "in"), folder / "out"))


LABEL_SET = {
    "name": "in",
    "classes": ["background", "door", "hood"],
    "colors": [[0, 0, 0], [9, 9, 9], [7, 7, 7]],
    "background": 0,
    "foreground": [1, 2],
}


def _config(folder: Path, content: bytes) -> str:
    (folder / "my-unet").mkdir()
    (folder / "my-unet/config.json").write_bytes(content)
    info = find_info("my-unet", folder)
    return "\n".join([_json(info), *_description(info)])


def _manifest(folder: Path, content: bytes) -> str:
    (folder / "weights_manifest.json").write_bytes(content)
    return "\n".join(load_manifest(folder / "weights_manifest.json").models)


def _origin(folder: Path, content: bytes) -> str:
    from importlib import metadata

    from carseg.hub import origins

    class Record:
        def read_text(self, name: str) -> str:
            return content.decode("utf-8", "replace")

    before, metadata.distribution = metadata.distribution, lambda name: Record()  # type: ignore[assignment,return-value]
    try:
        return "\n".join(repr(origin) for origin in origins.installed_from())
    finally:
        metadata.distribution = before


def _start(folder: Path, content: bytes) -> str:
    (folder / "run.json").write_bytes(content)
    start = read_start(folder)
    assert start is not None
    return repr(start)


def _log(folder: Path, content: bytes) -> str:
    (folder / "log.csv").write_bytes(content)
    log = TrainingLog(folder)
    log.rewind(1)
    return repr(log.rows)


def _state(folder: Path, content: bytes) -> str:
    (folder / "state.pt").write_bytes(content + hashlib.sha256(content).digest())
    return repr(sorted(read_state(folder, torch.device("cpu")) or ()))


def _rows(folder: Path, content: bytes) -> str:
    (folder / "results.jsonl").write_bytes(content)
    rows = read_rows(folder / "results.jsonl")
    differences = compare_rows(rows, rows)
    write_benchmark_page(list(_saved(folder).values()), folder / "report.html", details=folder)
    failures(rows, {"miou": 0.5, "side_error": 0.5})
    return "\n".join(
        [format_classes(rows)]
        + [format_rows(rows, form) for form in ROW_FORMATS]
        + [format_differences(differences, form) for form in ROW_FORMATS]
    )


def _scores(folder: Path, content: bytes) -> str:
    (folder / KEY).mkdir()
    (folder / KEY / "worst-1.jpg").write_bytes(b"a picture")
    (folder / KEY / SCORES).write_bytes(content)
    write_benchmark_page([ROW], folder / "report.html", details=folder)
    page = (folder / "report.html").read_text("utf-8")
    assert "cm9vd" not in page, "a file from elsewhere is in the page"  # "root:" in base 64
    return ""


KEY = "0" * 16
ROW: dict[str, Any] = dict.fromkeys(KEYS) | {
    "model": "m",
    "dataset": "d",
    "split": "test",
    "images": 3,
    "miou": 0.5,
    "miou_ci": [0.4, 0.6],
    "pixel_acc": 0.9,
    "per_class": {"background": 0.9, "door": None},
    "params_m": 1.5,
    "runtime": "torch",
    "precision": "float32",
    "device": "cpu",
    "threads": 1,
    "batch": 1,
    "ms_p50": 12.5,
    "images_per_s": 80.0,
    "weights_sha256": "0" * 64,
    "environment": {"carseg": "0.1.0", "cores": 2, "key": KEY},
    "schema": 1,
}
_SCORES = {
    "classes": ["background", "door"],
    "scores": {"miou": 0.5, "confusion": [[5, 1, 0], [2, 2, 0]]},
    "worst": [{"name": "a", "miou": 0.25, "file": "worst-1.jpg"}],
}


def _calibration(folder: Path, content: bytes) -> str:
    (folder / "calibration.json").write_bytes(content)
    return repr(read_calibration(folder / "calibration.json", INFO))


def _results(folder: Path, content: bytes) -> str:
    """What an earlier ``carseg predict`` wrote, or something else has put there."""
    (folder / "a.json").write_bytes(content)
    return str(refuse_overwriting([Job("a.jpg", folder, Path(), "a")], folder, ["json"]))  # type: ignore[arg-type]


def _weights(folder: Path, content: bytes) -> str:
    """A safetensors file of a header and as many bytes as the sound one announces."""
    path = folder / "model.safetensors"
    path.write_bytes(len(content).to_bytes(8, "little") + content + bytes(_DATA))
    load_into(NearestColor(4), path)
    return ""


def _whole_weights(folder: Path, content: bytes) -> str:
    (folder / "model.safetensors").write_bytes(content)
    load_into(NearestColor(4), folder / "model.safetensors")
    return ""


def _header() -> tuple[dict[str, Any], int, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder))
        content = (Path(folder) / "blocks/model.safetensors").read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), len(content) - end, content


def _torch_file(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


INFO = info_of()
_HEADER, _DATA, _WHOLE = _header()

READERS: dict[str, Reader] = {name: Reader(sound, _labels(write)) for name, (sound, write) in LABELS.items()} | {
    "labels.json of an output": Reader(LABEL_SET, _label_set_beside),
    "config.json": Reader({"name": "my-unet", **example()}, _config),
    "manifest": Reader({"schema": 1, "hubs": ["https://example.org/w"], "models": {"my-unet": example()}}, _manifest),
    "direct_url.json": Reader(
        {"url": "https://github.com/o/r", "vcs_info": {"vcs": "git", "commit_id": "0" * 40}, "subdirectory": "s"},
        _origin,
    ),
    "run.json": Reader(asdict(RunStart("m", TrainingConfig(size=(32, 32)), None, {"a": "b"}, ("a",), 3, 1)), _start),
    "log.csv": Reader(f"{','.join(COLUMNS)}\n{','.join('1' * len(COLUMNS))}\n".encode(), _log),
    "state.pt": Reader(_torch_file({"network": {"a": torch.zeros(3)}}), _state),
    "rows": Reader([ROW], _rows),
    "scores.json": Reader(_SCORES, _scores),
    "calibration": Reader(
        asdict(Calibration(1, INFO.sha256, 2, "by hand", {"a": (0.0, 1.0), "b": (-1.0, 1.0)})), _calibration
    ),
    "results": Reader(b'{"source": "a.jpg"}', _results),
    "weights' header": Reader(_HEADER, _weights),
    "weights": Reader(_WHOLE, _whole_weights),
}


class OutOfBoundsError(BaseException):
    """A reader takes more than its time; no handler of ordinary errors swallows it."""


def _out_of_time(*_: object) -> None:
    raise OutOfBoundsError(f"takes more than {SECONDS:g} s")


def trouble(read: Callable[[], str], *, named: Iterable[str], is_sound: bool) -> str:
    """Return what is wrong with how a reader takes a file, "" where nothing is.

    Args:
        read: reads the file.
        named: an error has one of these texts.
        is_sound: there must be no error.
    """
    printed = io.StringIO()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with contextlib.redirect_stdout(printed):
            echo(read())
    except CarsegError as error:
        message = str(error)
        lines = message.split("\n  ")  # of a list
        if not all(map(str.isprintable, lines)) or len(max(lines, key=len)) > LONGEST:
            return f"says {message[:300]!r}"
        if is_sound or not any(name in message for name in named):
            return f"is refused: {message}"
    except BaseException as error:
        return f"raises {type(error).__name__}: {str(error)[:300]!r}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if not all(map(str.isprintable, printed.getvalue().split("\n"))):
        return f"prints {printed.getvalue()[:300]!r}"
    return ""


def main() -> int:
    """Take the files through the readers, print what is wrong, and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("readers", nargs="*", default=list(READERS))
    options = parser.parse_args()
    signal.signal(signal.SIGPROF, _out_of_time)
    with tempfile.TemporaryDirectory() as place:
        folders = (Path(place) / str(number) for number in range(sys.maxsize))

        def taken(reader: Reader, content: bytes, *, is_sound: bool = False) -> str:
            folder = next(folders)
            folder.mkdir()
            return trouble(lambda: reader.read(folder, content), named=(str(folder), *_NAMED), is_sound=is_sound)

        sound = {name: taken(READERS[name], READERS[name].content, is_sound=True) for name in options.readers}
        wrong = [f"{name}: the sound file {reason}" for name, reason in sound.items() if reason]
        _limit_memory()
        count = 0
        for name in options.readers:
            for case, content in READERS[name].cases():
                count += 1
                if count % options.every == 0 and (reason := taken(READERS[name], content)):
                    wrong.append(f"{name}: {case} {reason}")
    print("\n".join(wrong) or f"{count // options.every} files, and nothing but carseg's own errors")
    return int(bool(wrong))


def _limit_memory() -> None:
    import resource

    before = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (before + BYTES, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main())
