"""Names of images in the documents that are written about them."""

from __future__ import annotations

import os
from pathlib import Path

from carseg.errors import OptionError


def relative_name(source: str, root: str | os.PathLike[str]) -> str:
    """Return the path of an image below a folder, with slashes, which is how readers of a document look for it.

    What is no file (an address, the name of an image from memory) stays as it is, and so does all where ``root`` is "".

    Raises:
        OptionError: the image lies elsewhere.
    """
    if not os.fspath(root) or "://" in source:
        return source
    for absolute in (os.path.abspath, os.path.realpath):  # the folder may have been given by a link, or the image
        path, folder = Path(absolute(source)), Path(absolute(root))
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    if not os.path.exists(source):
        return source
    raise OptionError(f"the image {source} does not lie below {os.fspath(root)}: give another root=")
