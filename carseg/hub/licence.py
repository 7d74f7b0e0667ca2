"""Notice about the licence of weights, given once per file and machine, or process where the cache is read-only."""

from __future__ import annotations

import os
from pathlib import Path

from carseg.errors import printable
from carseg.hub.cache import cache_dir
from carseg.hub.model_info import ModelInfo

_told: set[Path] = set()  # marks that could not be set


def licence_notice(info: ModelInfo) -> str | None:
    """Return a sentence about weights that are not known to be free for commercial use; None for those that are.

    From its first call on the notice counts as given on this machine, in a process whose cache cannot be written only
    there, and later calls return None.
    """
    if info.commercial_use == "yes" or not _is_first_time(info):
        return None
    verdict = "are not for commercial use" if info.commercial_use == "no" else "are not known to be for commercial use"
    return printable(f"the weights {info.name} {verdict} ({info.licence}); see `carseg info {info.name}`")


def _is_first_time(info: ModelInfo) -> bool:
    mark = cache_dir() / "told" / info.sha256
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.open("x").close()
    except FileExistsError:
        return False
    except OSError:  # the cache cannot be written or read: the notice is due in every process
        if mark in _told or os.path.exists(mark):
            return False
        _told.add(mark)
    return True
