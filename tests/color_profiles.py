"""Colour profiles (ICC) made from their figures: of matrices and curves for RGB and grey, of a table for CMYK."""

from __future__ import annotations

import struct

import numpy as np

SRGB, P3 = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06)), ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE, PROPHOTO = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))
_D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(primaries: tuple[tuple[float, float], ...], gamma: float = 2.2) -> bytes:
    """Return a profile of three primaries (x, y) under D65, adapted to D50 after Bradford."""
    colors = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    white = np.array((0.3127 / 0.329, 1, (1 - 0.3127 - 0.329) / 0.329))
    bradford = np.array([(0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)])
    adapted = np.linalg.inv(bradford) @ np.diag(bradford @ _D50 / (bradford @ white)) @ bradford
    columns = (adapted @ (colors * np.linalg.solve(colors, white))).T
    tags = {f"{band}XYZ": _xyz(column) for band, column in zip("rgb", columns, strict=True)}
    return _profile("mntr", "RGB ", "XYZ ", tags | dict.fromkeys(("rTRC", "gTRC", "bTRC"), _curve(gamma)))


def grey_profile(gamma: float) -> bytes:
    return _profile("mntr", "GRAY", "XYZ ", {"kTRC": _curve(gamma)})


def cmyk_profile(inks: tuple[tuple[int, int, int], ...]) -> bytes:
    """Return a profile of the colours (L, a, b in 0..255) that the 16 mixtures of whole inks have, K fastest."""
    ramp = bytes(range(256))
    head = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + b"".join(_fixed(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    return _profile("prtr", "CMYK", "Lab ", {"A2B0": head + ramp * 4 + bytes(np.ravel(inks).tolist()) + ramp * 3})


def _profile(kind: str, space: str, pcs: str, tags: dict[str, bytes]) -> bytes:
    text = b"test\0"
    desc = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {"desc": desc, "cprt": b"text\0\0\0\0none\0", "wtpt": _xyz(_D50), **tags}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name.encode() + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x02100000, kind.encode(), space.encode(), pcs.encode())
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(_fixed, _D50))
    return head + bytes(128 - len(head)) + table + body


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: object) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
