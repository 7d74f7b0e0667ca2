"""The notice about the licence of weights, once per file and machine."""

from __future__ import annotations

import os

from carseg.hub.cache import cache_dir
from carseg.hub.model_info import ModelInfo


def first_use(info: ModelInfo) -> bool:
    """Whether these weights are not for commercial use and nobody was told on this machine yet; from now on one is."""
    if info.commercial_use == "yes":
        return False
    mark = cache_dir() / "told" / info.sha256
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.open("x").close()
    except FileExistsError:
        return False
    except OSError:  # a cache that cannot be written, or looked into: it is said every time
        return not os.path.exists(mark)
    return True
