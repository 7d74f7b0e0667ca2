"""What a release refuses, what it uploads, and what a package index shows of the README."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from carseg.hub.manifest import ROOT

ADDRESS = "https://github.com/me/carseg"


def script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def release() -> ModuleType:
    path = ROOT / ".ci" / "release.py"
    if not path.exists():
        pytest.skip("only a checkout makes releases")
    return script(path)


def write(root: Path, **files: str) -> None:
    names = {"project": "pyproject.toml", "version": "carseg/_version.py", "citation": "CITATION.cff"}
    names |= {"changes": "CHANGELOG.md", "manifest": "weights_manifest.json"}
    for name, text in files.items():
        (root / names[name]).parent.mkdir(exist_ok=True)
        (root / names[name]).write_text(text, "utf-8")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree that may be released."""
    hub = f"{ADDRESS}/releases/download/v1.2.0/{{asset}}"
    write(
        tmp_path,
        project=f'[tool.hatch.metadata.hooks.custom]\nrepository = "{ADDRESS}"\n',
        version='__version__ = "1.2.0"\n',
        citation=f'title: carseg\nversion: 1.2.0\ndate-released: 2026-01-31\nrepository-code: "{ADDRESS}"\n',
        changes="# Changelog\n\n## 1.2.0 (2026-01-31)\n",
        manifest=json.dumps({"hubs": [hub]}),
    )
    return tmp_path


def test_a_tree_that_is_ready(release: ModuleType, tree: Path) -> None:
    assert list(release.problems(tree)) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("project", '[tool.hatch.metadata.hooks.custom]\nrepository = ""\n', "address is not known"),
        ("citation", "\nversion: 1.2.0\ndate-released: 2026-01-31\n", f'repository-code: "{ADDRESS}"'),
        ("citation", f'\nversion: 1.1.0\ndate-released: 2026-01-31\nrepository-code: "{ADDRESS}"\n', "version: 1.2.0"),
        ("citation", f'\nversion: 1.2.0\nrepository-code: "{ADDRESS}"\n', "date-released"),
        ("changes", "## 1.2.0 (unreleased)\n", "dated section"),
        ("manifest", '{"hubs": []}', f"carseg hub publish /tmp/assets --address '{ADDRESS}/releases/download/v1.2.0"),
    ],
)
def test_what_is_missing_is_named_with_the_way_out(
    release: ModuleType, tree: Path, name: str, text: str, said: str
) -> None:
    write(tree, **{name: text})
    [problem] = release.problems(tree)
    assert said in problem


def test_nothing_is_built_of_a_tree_that_is_not_ready(
    release: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tree, changes="")
    monkeypatch.setattr(release, "ROOT", tree)
    with pytest.raises(SystemExit) as ended:
        release.main(["build", str(tree / "out")])
    assert ended.value.code == 1 and "CHANGELOG.md" in capsys.readouterr().err
    assert not (tree / "out").exists()


def test_wheel_and_source_archive_are_uploaded_and_nothing_else(
    release: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def note(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", note)
    with pytest.raises(SystemExit, match=r"build .*first"):
        release.main(["upload", str(tmp_path)])
    (tmp_path / "dist").mkdir()
    for name in ("carseg-1.2.0.tar.gz", "carseg-1.2.0-py3-none-any.whl", "notes.txt"):
        (tmp_path / "dist" / name).touch()
    release.main(["upload", str(tmp_path)])
    [command] = commands
    assert command[1:4] == ["-m", "twine", "upload"]
    assert {Path(word).name for word in command if "dist" in word} == {
        "carseg-1.2.0.tar.gz",
        "carseg-1.2.0-py3-none-any.whl",
    }


def test_links_of_the_readme_lead_to_the_repository() -> None:
    pytest.importorskip("hatchling", reason="pip install hatchling to try its hooks")
    hooks = script(ROOT / "hatch_build.py")
    text = hooks.with_addresses("![A car](docs/a.jpg) [b](docs/b.md#c) [d](#d) [e](https://e.org)", ADDRESS, "v1.2.0")
    assert f"![A car]({ADDRESS}/raw/v1.2.0/docs/a.jpg) [b]({ADDRESS}/blob/v1.2.0/docs/b.md#c)" in text
    assert "[d](#d) [e](https://e.org)" in text
    readme = hooks.with_addresses((ROOT / "README.md").read_text("utf-8"), ADDRESS, "v1.2.0")
    assert re.findall(r"\]\((?!https://|#)[^)]*\)", readme) == []
