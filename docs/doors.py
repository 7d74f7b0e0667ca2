"""An extension of griffe, which reads the package for mkdocstrings: a function may have the name of the file it is in.

``from carseg.hub import resolve`` gives the function in ``carseg/hub/resolve.py``. Without this extension griffe takes
``carseg.hub.resolve`` for the file, and the reference would show the whole file.
"""

from __future__ import annotations

from typing import Any

from griffe import Alias, Extension, GriffeLoader, Module


class Doors(Extension):
    """Gives such a name to the function, in the room's ``__init__`` and wherever it is imported from there."""

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **_: Any) -> None:
        """Called once the package is read."""
        loader.resolve_aliases(implicit=False, external=False)  # while the names still lead to the files
        for room in pkg.modules.values():
            for name, file in room.modules.items():
                if room.imports.get(name) == f"{file.path}.{name}":
                    room.set_member(name, Alias(name, file[name], parent=room))
