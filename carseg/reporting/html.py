"""HTML pages in a single file, for reports: plots as inline SVG, images embedded."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from carseg._files import replacing

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1d1f22; max-width: 1240px; margin: 2em auto; padding: 0 1em }
.wide { overflow-x: auto } table { border-collapse: collapse } th, td { padding: .3em .7em; white-space: nowrap }
th { text-align: left; border-bottom: 2px solid #888 } td { border-bottom: 1px solid #ddd } td.error { color: #b00020 }
svg { max-width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: #333 }
figure { margin: 1em 0 } figure img { max-width: 100% }
summary { cursor: pointer; font-weight: 600 } dt { font-weight: 600 }
"""


def write_page(path: Path, title: str, body: Iterable[str], *, style: str = STYLE) -> None:
    """Write a page of HTML parts under a heading; what is no text in UTF-8, as in names of files, as escapes."""
    wide = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">{wide}<title>{escape(title)}</title><style>{style}</style>'
    content = f"<h1>{escape(title)}</h1>{''.join(body)}"
    with replacing(path) as partial:
        page = f'<!doctype html><html lang="en"><head>{head}</head><body>{content}</body></html>\n'
        partial.write_text(page, "utf-8", "backslashreplace")


def figure(image: bytes | str, alt: str, caption: str) -> str:
    """Return an image with a caption, as HTML.

    Args:
        image: the content of a JPEG, which is embedded; or the address of one beside the page, which is loaded when it
            comes into sight and opened by a click.
        alt: what it shows.
        caption: the text below it.
    """
    if isinstance(image, str):
        address = escape(image)
        shown = f'<a href="{address}"><img alt="{escape(alt)}" src="{address}" loading="lazy"></a>'
    else:
        shown = f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{base64.b64encode(image).decode()}">'
    return f"<figure>{shown}<figcaption>{escape(caption)}</figcaption></figure>"


def facts(pairs: Mapping[str, object]) -> str:
    """Return names and their values as an HTML description list."""
    return f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>' for k, v in pairs.items())}</dl>"


def counted(count: int, thing: str) -> str:
    """Return a number with its noun: ``1 image``, ``2 images``."""
    return f"{count} {thing}{'' if count == 1 else 's'}"
