"""Cards of images in a grid, on a page that is read on a phone as on a screen, by day and by night."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

CARD_STYLE = """
:root { color-scheme: light dark; --paper: #f6f7f8; --card: #fff; --ink: #1d1f22; --faint: #5a6067; --line: #d5d9de;
  --link: #0b57a4; --good: #1a6b34; --bad: #a8071a; --warn: #7a4a00; --warn-paper: #fff3d6; --fill: #0072b2;
  --card-width: 10em }
@media (prefers-color-scheme: dark) { :root { --paper: #15171a; --card: #202327; --ink: #e8eaed; --faint: #a6adb5;
  --line: #3a3f45; --link: #8ab8f0; --good: #7fd39a; --bad: #ff9a94; --warn: #ffd27a; --warn-paper: #3a2f16;
  --fill: #56b4e9 } }
@media (min-width: 40em) { :root { --card-width: 15em } }
* { box-sizing: border-box }
body { font: 16px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1240px;
  margin: 0 auto; padding: 1em; overflow-wrap: anywhere }
h1 { font-size: 1.5em; margin: .3em 0 } h2 { font-size: 1.2em; margin: 1.6em 0 .5em }
h3 { font-size: 1em; margin: 1.2em 0 .5em }
a { color: var(--link) } :focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
nav a { display: inline-block; padding: .4em .8em .4em 0 } p a, td a { display: inline-block; padding: .15em .2em }
.verdict { font-size: 1.1em; font-weight: 600; padding: .7em 1em; margin: .6em 0; background: var(--card);
  border-left: .4em solid var(--line) }
.verdict.good { border-color: var(--good); color: var(--good) }
.verdict.bad { border-color: var(--bad); color: var(--bad) }
.cards { list-style: none; margin: 0; padding: 0; display: grid; gap: .8em;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--card-width)), 1fr)) }
.cards > li { background: var(--card); border: 1px solid var(--line); border-radius: .5em; padding: .6em;
  scroll-margin-top: 1em }
.cards > li:target { outline: 3px solid var(--link) }
figure { margin: 0 } figure img { display: block; width: 100%; aspect-ratio: 4 / 3; object-fit: contain;
  background: var(--paper); border-radius: .3em }
figcaption { font-weight: 600; margin-top: .4em } .cards p { margin: .3em 0; color: var(--faint) }
.warnings { list-style: none; margin: .4em 0; padding: 0 }
.warnings li { color: var(--warn); background: var(--warn-paper); border-radius: .3em; padding: .3em .6em;
  margin: .3em 0 }
summary { cursor: pointer; padding: .4em 0 } dt { font-weight: 600 } dd { margin: 0 0 .5em }
.sides { display: grid; gap: 1em 2em; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17em), 1fr)) }
svg { max-width: 100%; height: auto } svg text { font: 13px system-ui, sans-serif; fill: var(--ink) }
.seen { fill: var(--fill) } .unseen { fill: none; stroke: var(--faint); stroke-dasharray: 4 4 }
.car { fill: none; stroke: var(--faint); stroke-width: 2 }
.swatch { display: inline-block; width: .9em; height: .9em; margin-right: .4em; border: 1px solid var(--faint);
  vertical-align: -.1em }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .2em .4em .2em 0;
  border-bottom: 1px solid var(--line) } td + td, th + th { text-align: right }
"""


def cards(items: Iterable[tuple[str, str]]) -> str:
    """Return cards, each with its id on the page and its content, as an HTML list."""
    return f'<ul class="cards">{"".join(f"<li id={_quoted(name)}>{content}</li>" for name, content in items)}</ul>'


def warnings(texts: Sequence[str]) -> str:
    """Return sentences that are to be noticed, as an HTML list; "" where there are none."""
    return f'<ul class="warnings">{"".join(f"<li>{escape(text)}</li>" for text in texts)}</ul>' if texts else ""


def swatch(color: tuple[int, int, int]) -> str:
    """Return a small square of a colour, as HTML."""
    return f'<span class="swatch" style="background: rgb{color}"></span>'


def _quoted(text: str) -> str:
    return f'"{escape(text)}"'
