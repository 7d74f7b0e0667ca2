"""The licence notice, and the cache that remembers where it was shown."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from carseg.hub.cache import cache_dir
from carseg.hub.licence import licence_notice

from entries import info_of

pytestmark = pytest.mark.usefixtures("own_cache")


def test_licence_is_shown_once_per_machine() -> None:
    info = info_of()
    assert licence_notice(info)
    assert not licence_notice(info)
    assert not licence_notice(dataclasses.replace(info_of(b"free"), commercial_use="yes"))


def test_it_is_shown_once_per_process_where_the_cache_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CARSEG_CACHE", str(tmp_path / "file" / "cache"))
    assert licence_notice(info_of()) and not licence_notice(info_of())


def test_unclear_terms_are_shown_too() -> None:
    assert licence_notice(dataclasses.replace(info_of(), commercial_use="unclear"))


def test_a_cache_that_cannot_be_looked_into_or_placed_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert licence_notice(info_of())
    look = os.stat

    def refuse(path: Any, *arguments: Any, **keywords: Any) -> os.stat_result:
        if "told" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, *arguments, **keywords)

    monkeypatch.setattr(os, "stat", refuse)
    assert licence_notice(info_of())
    monkeypatch.undo()
    monkeypatch.delenv("CARSEG_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_dir().is_absolute()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="of other systems")
def test_the_cache_is_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CARSEG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "carseg"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "carseg"
