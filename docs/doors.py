"""For mkdocstrings: what a room's door gives is the function, although a file of the room is called like it.

``carseg.hub.resolve`` is a function that comes from ``carseg/hub/resolve.py``. Python's door gives the function; griffe,
which reads files, would show the file.
"""

from __future__ import annotations

from typing import Any

from griffe import Alias, Extension, GriffeLoader, Module


class Doors(Extension):
    """Puts the function in the file's place, and leads there what other doors re-export."""

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **_: Any) -> None:
        loader.resolve_aliases(implicit=False, external=False)  # while every file still answers to its name
        for room in pkg.modules.values():
            for name, file in room.modules.items():
                if room.imports.get(name) == f"{file.path}.{name}":
                    room.set_member(name, Alias(name, file[name], parent=room))
