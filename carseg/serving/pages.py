"""The page for people, and that of the interface: files of the package, read once, which load nothing else."""

from __future__ import annotations

from importlib import resources
from pathlib import PurePath

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = {
    file.name: file.read_bytes()
    for file in resources.files("carseg.serving").joinpath("page").iterdir()
    if PurePath(file.name).suffix in _TYPES
}


@router.get("/")
async def page() -> Response:
    """Return the page for people."""
    return _file("index.html")


@router.get("/docs")
async def docs() -> Response:
    """Return the page that shows the description of the interface, /openapi.json."""
    return _file("docs.html")


@router.get("/page/{name}")
async def page_file(name: str) -> Response:
    """Return a file that the pages load; a name is looked up and never made into a path."""
    return _file(name)


def _file(name: str) -> Response:
    if name not in _FILES:
        raise HTTPException(404, "Not Found")
    kind = f"{_TYPES[PurePath(name).suffix]}; charset=utf-8"
    return Response(_FILES[name], media_type=kind, headers={"Cache-Control": "no-cache"})
