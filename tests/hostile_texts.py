"""Texts that no reader must stumble over: in place of a whole file, and in place of a field of a sound one."""

from __future__ import annotations

import json

CONTROLS = "\x1b]0;pwned\x07\x9b2J\r\u202e"
DEEP = 100_000


def _laughing(levels: int) -> str:
    lines = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(["masks_dir: masks", "l0: &l0 [a, b]", *lines, f"names: *l{levels - 1}"])


def _of_one_hash(count: int) -> str:
    """Return a COCO file whose ids Python gives one hash, so that every look-up goes through all of them."""
    ids = [number * ((1 << 61) - 1) for number in range(1, count + 1)]
    images = [{"id": each, "file_name": f"{each % 997}.png", "height": 9, "width": 9} for each in ids]
    return json.dumps({"images": images, "annotations": [], "categories": [{"id": 1, "name": "door"}]})


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
        "ids of one hash": _of_one_hash(30_000),
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
        "controls": json.dumps({CONTROLS: CONTROLS}),
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
