"""Exceptions that carseg raises on purpose. Each also subclasses the builtin that a caller would catch.

A message is one sentence that names the thing, the reason and the fix; the command line prints it as it is. Passwords
and queries of addresses are left out of it, and what would control a terminal is escaped.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterable

_ADDRESS = re.compile(
    r"(\b[a-z][a-z0-9+.-]{0,15}://)"
    r"([^\s/?#]*@|[^\s/?#]*:(?!\d*(?:[/?#\s]|$))\S*@)?"  # name and password, even one with an unescaped slash
    r"([^\s?#]*)"
    r"([?#]\S*?)?(?=[\])}>:;,.'\"]*(?:\s|$))",  # what stands behind the address belongs to the sentence
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """Return the text with ``***`` in place of names with passwords, queries and fragments in its addresses."""

    def public(found: re.Match[str]) -> str:
        scheme, user, place, query = found.groups(default="")
        return f"{scheme}{'***@' if user else ''}{place}{f'{query[0]}***' if query else ''}"

    return _ADDRESS.sub(public, text)


def printable(text: str) -> str:
    """Return the text in one line, with what would confuse a terminal (controls, broken file names) as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


_ITEM = "\n  "  # begins a line in the list that some messages end with


def _safe(text: str) -> str:
    return _ITEM.join(map(printable, without_secrets(text).split(_ITEM)))


class CarsegError(Exception):
    """Base of carseg's exceptions: ``except carseg.CarsegError`` catches everything that carseg raises on purpose.

    Attributes:
        source: the image concerned, if ``stream(on_error="yield")`` yields the error.
    """

    source: object = None

    def __init__(self, *args: object) -> None:
        super().__init__(*(_safe(arg) if isinstance(arg, str) else arg for arg in args))

    def __str__(self) -> str:  # KeyError would print the message with quotes around it
        return " ".join(str(part) for part in self.args)


class OptionError(CarsegError, ValueError):
    """An argument has a value that is not allowed."""


class UnknownNameError(CarsegError, KeyError):
    """No model, architecture, label set, loss, ... has that name; the message suggests the nearest ones."""


class PartNotFoundError(CarsegError, KeyError):
    """The image has no part of this class, although the network knows the class."""


class CarNotFoundError(CarsegError, LookupError):
    """The image has no car to cut out, or no car with this number."""


class MissingExtraError(CarsegError, ImportError):
    """A feature needs an optional package; the message has the pip command that installs it."""

    def __init__(self, package: str, extra: str | None, purpose: str) -> None:
        super().__init__(package, extra, purpose)  # not the text: pickle calls it with args

    def __str__(self) -> str:
        package, extra, purpose = self.args
        wanted = f"'carseg[{extra}]'" if extra else package
        return f"{purpose} needs {package}: pip install {wanted}"


class ClosedError(CarsegError, ValueError):
    """A network was used after it had been closed."""


class ForkError(CarsegError, RuntimeError):
    """A network would run in a forked process, where torch would wait forever for threads that no longer exist."""


class ImageError(CarsegError, ValueError):
    """An image cannot be read: empty, truncated, not an image, too large, or the machine has no memory for it."""


class ImageNotFoundError(ImageError, FileNotFoundError):
    """The image does not exist, or a folder has no images."""


class OutputError(CarsegError, OSError):
    """A result cannot be written: full disk, missing folder, no permission. No half-written file is left."""


class ManifestError(CarsegError, ValueError):
    """The manifest or a model's ``config.json`` is not valid."""


class WeightsError(CarsegError, ValueError):
    """A weights file cannot be used: it is damaged, a pickle, or made for another network."""


class HubError(CarsegError, OSError):
    """Weights cannot be downloaded from any of their places, or another download, an upload or the cache fails."""


class OfflineError(HubError, ConnectionError):
    """Weights would have to be downloaded, but ``CARSEG_OFFLINE`` or ``HF_HUB_OFFLINE`` forbids sockets."""


class DataError(CarsegError, ValueError):
    """A data set or a label file is broken; the message names the file."""


class TrainingError(CarsegError, RuntimeError):
    """Training cannot continue (NaN loss, full disk); the last good checkpoint is intact."""


class ExportError(CarsegError, RuntimeError):
    """An exported model does not agree closely enough with the original; the message has the figures."""


def excerpt(text: str, limit: int = 100) -> str:
    """Return what was given as one line for a message, without its middle where it is longer than the limit."""
    if len(text) > limit:
        text = f"{text[: limit // 2]}...{text[3 - limit // 2 :]}"
    return " ".join(text.splitlines())


def require_extra(package: str, extra: str, purpose: str) -> None:
    """Raise MissingExtraError, which says what to install for ``purpose``, unless the package is installed."""
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(package, extra, purpose)


def unknown_name(kind: str, name: str, known: Iterable[str], otherwise: str = "") -> UnknownNameError:
    """Return the error for a name that does not exist, with the nearest known ones.

    Where none is near it says ``otherwise``, or all that are known.
    """
    names = list(known)
    near = difflib.get_close_matches(excerpt(name), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else otherwise or f"known: {', '.join(names)}"
    return UnknownNameError(f"no {kind} {excerpt(name)!r}; {hint}")
