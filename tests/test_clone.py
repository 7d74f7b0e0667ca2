"""What an installation from the repository fetches: an archive, or a clone as docs/guides/install.md tells to make it.

All weights of the zoo are in the repository, half a gigabyte; neither fetches more than those that go into the package.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from carseg.hub.manifest import ROOT

MOST = 40_000_000  # bytes; a wheel has no more either
PAGE = ROOT / "docs" / "guides" / "install.md"
_ENVIRONMENT = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}


def git(*arguments: str | Path, folder: Path = ROOT) -> str:
    command = ["git", *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=_ENVIRONMENT, check=True, capture_output=True, text=True, timeout=300
    ).stdout.strip()


def in_package(manifest: Path) -> set[str]:
    """Return the names of the weights that go into the package."""
    stated = json.loads(manifest.read_text("utf-8"))
    return {name for name, entry in (stated["models"] | stated["refiners"]).items() if entry.get("embedded")}


@pytest.fixture(scope="module", autouse=True)
def is_clone() -> None:
    try:
        git("rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a clone, or there is no git")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Yield the address of a git server on this machine that has the last commit of this clone."""
    served = tmp_path / "served" / "carseg.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", served)
    clone = Path(git("rev-parse", "--path-format=absolute", "--git-common-dir"))
    (served / "objects" / "info" / "alternates").write_text(f"{clone / 'objects'}\n", "utf-8")
    with suppress(FileNotFoundError):
        (served / "shallow").write_bytes((clone / "shallow").read_bytes())
    git("update-ref", "refs/heads/main", git("rev-parse", "HEAD"), folder=served)
    git("config", "uploadpack.allowFilter", "true", folder=served)  # as the forges have it
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    places = [f"--base-path={served.parent}", "--export-all", "--listen=127.0.0.1", f"--port={port}"]
    server = subprocess.Popen(["git", "daemon", *places], env=_ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        if not answers(server, port):
            pytest.skip("this git has no daemon")
        yield f"git://127.0.0.1:{port}/carseg.git"
    finally:
        server.terminate()
        server.wait()


def answers(server: subprocess.Popen[bytes], port: int) -> bool:
    while server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        time.sleep(0.02)
    return False


def test_an_archive_has_the_weights_of_the_package_and_no_others(tmp_path: Path) -> None:
    git("archive", "--format=tar.gz", f"--output={tmp_path / 'carseg.tar.gz'}", "HEAD", folder=ROOT)
    assert (tmp_path / "carseg.tar.gz").stat().st_size < MOST
    with tarfile.open(tmp_path / "carseg.tar.gz") as archive:
        archive.extractall(tmp_path / "carseg", filter="data")
    weights = {path.parent.name for path in (tmp_path / "carseg" / "weights").glob("*/*.safetensors")}
    assert weights == in_package(tmp_path / "carseg" / "weights_manifest.json")


def test_a_clone_as_documented_fetches_no_other_weights(address: str, tmp_path: Path) -> None:
    [block] = re.findall(r"^```sh\n(git clone .*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    clone, enter, *settings = [shlex.split(line) for line in block.splitlines()]
    [theirs] = [word for word in clone if "://" in word]
    git(*(address if word == theirs else word for word in clone[1:]), folder=tmp_path)
    assert enter == ["cd", "carseg"]
    made = tmp_path / "carseg"
    for words in settings:
        if words[0] == "git":
            git(*words[1:], folder=made)
    weights = {path.parent.name for path in (made / "weights").glob("*/*.safetensors")}
    assert weights == in_package(made / "weights_manifest.json")
    assert (made / "carseg" / "__init__.py").exists()
    assert sum(path.stat().st_size for path in (made / ".git").rglob("*") if path.is_file()) < MOST
    assert git("status", "--porcelain", folder=made) == ""
