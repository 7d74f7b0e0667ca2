#!/usr/bin/env python3
"""What must hold of the files that a release uploads.

    python .ci/check_dist.py DIST

DIST has one wheel, under 40 MB, and one source archive. Each holds the manifest, the licences and, of the weights,
those that the manifest says are embedded, unchanged, and no others, with the graphs that they start from. Once the
repository's address is set, no link of the description is relative.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path

LARGEST = 40_000_000  # bytes of a wheel
LICENCES = {"LICENSE", "LICENSE-WEIGHTS", "THIRD_PARTY.md"}


def wheel(path: Path) -> dict[str, bytes]:
    """Content by name, as seen from the package's own folder."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        content = {name.removeprefix("carseg/"): archive.read(name) for name in names}
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        return content | {"METADATA": content[metadata]}


def source(path: Path) -> dict[str, bytes]:
    """Content by name, as seen from the checkout's top."""
    with tarfile.open(path) as archive:
        files = [member for member in archive if member.isfile()]
        return {file.name.partition("/")[2]: archive.extractfile(file).read() for file in files}


def check(content: dict[str, bytes]) -> None:
    """Exits with a sentence where something is wrong."""
    manifest = json.loads(content["weights_manifest.json"])
    models = manifest["models"] | manifest["refiners"]
    expected = {
        f"weights/{name}/{entry['file']}": entry["sha256"] for name, entry in models.items() if entry.get("embedded")
    }
    found = {name: hashlib.sha256(data).hexdigest() for name, data in content.items() if name.endswith(".safetensors")}
    if found != expected:
        sys.exit(f"weights are {found}, the manifest says {expected}")
    architectures = {entry["architecture"] for entry in models.values() if entry.get("embedded")}
    graphs = {f"runtimes/graphs/{name}.{kind}" for name in architectures for kind in ("onnx", "json")}
    if missing := graphs - {name.removeprefix("carseg/") for name in content}:
        sys.exit(f"there is no {', '.join(sorted(missing))}")
    if missing := LICENCES - {name.rpartition("/")[2] for name in content}:
        sys.exit(f"there is no {', '.join(sorted(missing))}")
    description = content.get("METADATA", b"").decode()
    if "\nProject-URL: Repository" in description and (
        relative := re.findall(r"\]\((?![a-z]+:|#)[^)]+\)", description)
    ):
        sys.exit(f"the description has links that lead nowhere on a package index: {relative}")
    print(f"   {len(found)} weights, {sum(map(len, content.values())) / 1e6:.1f} MB unpacked")


if __name__ == "__main__":
    dist = Path(sys.argv[1])
    [built], [archive] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    for path, content in ((built, wheel(built)), (archive, source(archive))):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
        check(content)
    if built.stat().st_size >= LARGEST:
        sys.exit(f"{built.name} has {built.stat().st_size} bytes, must have less than {LARGEST}")
