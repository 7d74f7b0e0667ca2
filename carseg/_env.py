"""Every environment variable that carseg reads.

CARSEG_HUB                            where to look for weights first
CARSEG_CACHE                          folder of the cache
CARSEG_MAX_PIXELS                     pixels beyond which an image is refused
CARSEG_API_KEY                        what requests to `carseg serve` have to show
LABEL_STUDIO_API_KEY                  with which `carseg serve --label-studio` asks for images
CARSEG_OFFLINE, HF_HUB_OFFLINE        no socket is opened
HF_ENDPOINT                           address of the Hugging Face Hub
RANK, WORLD_SIZE, LOCAL_RANK          this process among those that torchrun started
ONEDNN_MAX_CPU_ISA, DNNL_MAX_CPU_ISA  the instruction set beyond which oneDNN does not go
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carseg.errors import OptionError, excerpt

# What changes times from outside: two measurements under others are not the same.
TIMING_VARIABLES = (
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "CUDA_VISIBLE_DEVICES",
    "GLIBC_TUNABLES",
)


def is_on(variable: str) -> bool:
    """Return whether a variable is set, and not to 0, false, no or off."""
    return os.environ.get(variable, "").lower() not in ("", "0", "false", "no", "off")


def is_offline() -> bool:
    """Return whether sockets are forbidden."""
    return is_on("CARSEG_OFFLINE") or is_on("HF_HUB_OFFLINE")


def given_hub() -> str | None:
    """Return the hub to look in first where none is named."""
    return os.environ.get("CARSEG_HUB") or None


def hugging_face_endpoint() -> str | None:
    """Return the address of the Hugging Face Hub, None for its usual one."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def cache_folder() -> Path:
    """Return the folder of the cache: ``CARSEG_CACHE``, else the operating system's place for a user's caches."""
    if folder := os.environ.get("CARSEG_CACHE"):
        return Path(os.path.expanduser(folder))
    try:
        home = Path.home()
    except RuntimeError:  # a user without an entry and without HOME, as containers have them
        home = Path(os.sep)  # not a folder for everybody: others could put something there
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local") / "carseg"
    if sys.platform == "darwin":
        return home / "Library/Caches/carseg"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "carseg"


def given_max_pixels() -> int | None:
    """Return how many pixels an image may have by ``CARSEG_MAX_PIXELS``, None where it is not set.

    Raises:
        OptionError: it is no whole number above 0.
    """
    text = os.environ.get("CARSEG_MAX_PIXELS", "").strip()
    if not text:
        return None
    if not (text.isdecimal() and len(text) < 20 and int(text) > 0):
        raise OptionError(f"CARSEG_MAX_PIXELS is {excerpt(text)!r}, must be a whole number above 0, such as 250000000")
    return int(text)


def given_api_key() -> str | None:
    """Return what requests to a service have to show, None for nothing."""
    return os.environ.get("CARSEG_API_KEY") or None


def given_label_studio_token() -> str:
    """Return the token with which images are asked of Label Studio, "" for none; the name is Label Studio's own."""
    return os.environ.get("LABEL_STUDIO_API_KEY", "")


def rank() -> int:
    """Return the number of this process among those that train together, 0 where it is alone."""
    return int(os.environ.get("RANK", 0))


def world_size() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", 1))


def local_rank() -> int:
    """Return the number of this process among those of its machine."""
    return int(os.environ["LOCAL_RANK"])


def onednn_cap() -> str:
    """Return the instruction set that users of oneDNN (torch, OpenVINO) must not go beyond, "" for none."""
    return (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "").upper()


def timing_variables() -> dict[str, str | None]:
    """Return the variables that change how fast things are."""
    return {name: os.environ.get(name) for name in TIMING_VARIABLES}


@contextmanager
def environment_variable(name: str, value: str) -> Iterator[None]:
    """Set a variable for as long as the block runs."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def usable_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
