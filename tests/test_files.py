"""Files and folders appear whole or not at all, and what a killed process left is cleared up by the next one."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from carseg._files import discard_partial, placing, replacing, replacing_folder, scratch_folder

from entries import start

locks = pytest.mark.skipif(sys.platform == "win32", reason="no locks on files that are open")


def killed_while(code: str) -> None:
    """Run code in a process that is killed at its end, within the blocks that it opened."""
    process = start(f"import os; from pathlib import Path; from carseg._files import *\n{code}; os._exit(9)")
    assert process.communicate()[0] == "" and process.returncode == 9


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for text in ("old", "new"):
        with replacing(file) as partial:
            partial.write_text(text)
            assert text == "old" or file.read_text() == "old"
    with pytest.raises(KeyboardInterrupt), replacing(file) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert file.read_text() == "new" and names(tmp_path) == ["file"]


@locks
def test_what_a_killed_process_left_of_a_file_is_written_over(tmp_path: Path) -> None:
    for again in (True, False):
        killed_while(f"p = replacing(Path({str(tmp_path)!r}, 'other')); p.__enter__().write_text('half of it')")
        if again:
            with replacing(tmp_path / "other") as partial:
                partial.write_text("all")
            assert (tmp_path / "other").read_text() == "all" and names(tmp_path) == ["other"]
        else:
            assert len(names(tmp_path)) == 2
            discard_partial(tmp_path / "other")
            assert names(tmp_path) == ["other"]


def test_two_that_write_a_file_at_once_do_not_mix(tmp_path: Path) -> None:
    file, both = tmp_path / "file", threading.Barrier(2)

    def write(letter: str) -> None:
        for _ in range(50):
            with replacing(file) as partial:
                partial.write_text(letter * 10)
                both.wait()
                with partial.open("a") as more:
                    more.write(letter * 10)
            discard_partial(file)  # of another that is being written it leaves all
            both.wait()
            assert file.read_text() in ("a" * 20, "b" * 20)
            both.wait()

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    failed: list[object] = []
    threading.excepthook, hook = lambda given: (failed.append(given.exc_value), both.abort()), threading.excepthook
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.excepthook = hook
    assert failed == [] and names(tmp_path) == ["file"]


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="no such links here")
def test_a_link_that_was_put_there_is_not_followed(tmp_path: Path) -> None:
    with replacing(tmp_path / "file") as partial:
        place = partial
        partial.write_text("")
    (tmp_path / "other").write_text("of somebody else")
    place.symlink_to(tmp_path / "other")
    with replacing(tmp_path / "file") as partial:
        partial.write_text("mine")
    assert (tmp_path / "other").read_text() == "of somebody else" and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("keep", [False, True])
def test_a_folder_begins_empty_or_with_what_it_has(tmp_path: Path, keep: bool) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/old").write_text("old")
    (folder / "link").symlink_to("deep")
    with replacing_folder(folder, keep=keep) as partial:
        (partial / "new").write_text("new")
    assert names(folder) == (["deep", "link", "new"] if keep else ["new"])
    assert not keep or (folder / "link/old").read_text() == "old"
    assert names(tmp_path) == ["folder"]


PAIR = ("model.xml", "model.bin")


def put_pair(folder: Path, text: str) -> None:
    with scratch_folder(folder / PAIR[0]) as scratch:
        for name in PAIR:
            (scratch / name).write_text(text)
        with placing([scratch / name for name in PAIR], folder) as placed:
            assert placed == tuple(folder / name for name in PAIR)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("step", range(6))
def test_files_that_belong_together_are_replaced_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool, step: int
) -> None:
    """The first renaming fails, the second and so on; what fails after the last one is the block."""
    if there:
        put_pair(tmp_path, "old")
    before = {name: (tmp_path / name).read_text() for name in names(tmp_path)}
    rename, count = os.rename, iter(range(1000))

    def failing(*paths: object) -> None:
        if next(count) == step:
            raise OSError(28, "No space left on device")
        rename(*paths)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises((OSError, KeyboardInterrupt)):  # noqa: SIM117
        with scratch_folder(tmp_path / PAIR[0]) as scratch:
            for name in PAIR:
                (scratch / name).write_text("new")
            with placing([scratch / name for name in PAIR], tmp_path):
                raise KeyboardInterrupt
    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == before


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("step", range(1, 5))
def test_where_the_main_file_is_the_others_belong_to_it_even_after_a_kill(
    tmp_path: Path, there: bool, step: int
) -> None:
    if there:
        put_pair(tmp_path, "old")
    killed_while(
        "rename, count = os.rename, iter(range(1, 100))\n"
        f"def stop(*paths): rename(*paths); next(count) == {step} and os._exit(9)\n"
        f"os.rename = stop; folder = Path({str(tmp_path)!r})\n"
        "scratch = scratch_folder(folder / 'model.xml'); new = scratch.__enter__()\n"
        f"for name in {PAIR}: (new / name).write_text('new')\n"
        f"place = placing([new / name for name in {PAIR}], folder); place.__enter__()"
    )
    if (tmp_path / PAIR[0]).exists():
        assert (tmp_path / PAIR[0]).read_text() == (tmp_path / PAIR[1]).read_text()
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path / PAIR[0]):
        raise ZeroDivisionError  # what is written next fails, and yet the older files are back
    assert not there or (tmp_path / PAIR[0]).read_text() == (tmp_path / PAIR[1]).read_text()
    put_pair(tmp_path, "newer")
    assert [(tmp_path / name).read_text() for name in names(tmp_path)] == ["newer", "newer"]
