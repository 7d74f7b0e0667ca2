#!/usr/bin/env python3
"""The files of a release: checked, built and uploaded (CONTRIBUTING.md, "A release").

    python .ci/release.py build OUT [--dry-run]
    TWINE_PASSWORD=TOKEN python .ci/release.py upload OUT

`build` refuses with a list of what is missing. Else it builds the last commit into OUT/dist and writes the weights and
the list of all files with their sha256 into OUT/assets. With --dry-run it builds in spite of that list. `upload` gives
OUT/dist to the package index, leaving out what is there already; with TWINE_REPOSITORY=testpypi to its trial index. It
needs no token in a workflow that the index trusts. Both need `pip install build twine`.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def repository(root: Path) -> str:
    """The repository's address, "" while it is not set."""
    stated = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return stated["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]


def version(root: Path) -> str:
    """The version of the package."""
    return re.search(r'__version__ = "(.+)"', (root / "carseg" / "_version.py").read_text("utf-8"))[1]


def assets(root: Path) -> str:
    """The address of the assets of this release, with ``{asset}`` for a file's name."""
    return f"{repository(root)}/releases/download/v{version(root)}/{{asset}}"


def problems(root: Path) -> Iterator[str]:
    """What a release of this tree lacks, one sentence each."""
    address, number = repository(root), version(root)
    citation = (root / "CITATION.cff").read_text("utf-8")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address):
        yield (
            "the repository's address is not known: write https://github.com/ORG/REPO into `repository` of "
            "[tool.hatch.metadata.hooks.custom] in pyproject.toml"
        )
    else:
        if f'\nrepository-code: "{address}"\n' not in citation:
            yield f'CITATION.cff does not name the repository: add the line repository-code: "{address}"'
        if assets(root) not in json.loads((root / "weights_manifest.json").read_text("utf-8"))["hubs"]:
            yield (
                "weights_manifest.json does not say where the weights of this release will be: run "
                f"carseg hub publish /tmp/assets --address '{assets(root)}' and commit the file"
            )
    if f"\nversion: {number}\n" not in citation:
        yield f"CITATION.cff is of another version: write version: {number}"
    if not re.search(r"^date-released: ", citation, re.MULTILINE):
        yield "CITATION.cff has no date: add the line date-released: YYYY-MM-DD"
    if not re.search(
        rf"^## {re.escape(number)} \(\d{{4}}-\d\d-\d\d\)$", (root / "CHANGELOG.md").read_text("utf-8"), re.M
    ):
        yield f"CHANGELOG.md has no dated section for this version: it begins with ## {number} (YYYY-MM-DD)"


def build(out: Path) -> None:
    """Builds the last commit: what is not committed is not released."""
    dist = out / "dist"
    if dist.exists():
        sys.exit(f"{dist} is there already: name another folder, or remove it")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        run("git", "archive", "--format=tar", f"--output={folder}/source.tar", "HEAD")
        with tarfile.open(f"{folder}/source.tar") as archive:
            archive.extractall(source, filter="data")
        run(sys.executable, "-m", "build", "--outdir", dist, source)
    run(sys.executable, "-m", "twine", "check", "--strict", *sorted(dist.iterdir()))
    run(sys.executable, ROOT / ".ci" / "check_dist.py", dist)


def add_assets(out: Path) -> None:
    """Writes the weights as assets, and the sha256 of every file of the release."""
    run(sys.executable, "-m", "carseg", "hub", "publish", out / "assets", "--address", assets(ROOT))
    with (out / "assets" / "SHA256SUMS").open("a", encoding="utf-8") as sums:
        for path in sorted((out / "dist").iterdir()):
            sums.write(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")


def upload(out: Path) -> None:
    """Uploads the wheel and the source archive."""
    files = sorted((out / "dist").glob("carseg-*"))
    if not files:
        sys.exit(f"{out / 'dist'} has no files: run `python .ci/release.py build {out}` first")
    run(sys.executable, "-m", "twine", "upload", "--non-interactive", "--skip-existing", *files)


def run(*command: object) -> None:
    """Runs a command at the top of the checkout; ends with its exit status where it fails."""
    status = subprocess.run(list(map(str, command)), cwd=ROOT).returncode
    if status:
        sys.exit(status)


def main(arguments: list[str]) -> None:
    """Runs what the head of this file says."""
    match arguments:
        case ["build", out, *flags] if flags in ([], ["--dry-run"]):
            found = list(problems(ROOT))
            print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
            if found and not flags:
                sys.exit(1)
            build(Path(out).resolve())
            if not found:
                add_assets(Path(out).resolve())
        case ["upload", out]:
            upload(Path(out).resolve())
        case _:
            print(__doc__, file=sys.stderr)
            sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
