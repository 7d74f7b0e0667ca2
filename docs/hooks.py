"""Pages that mkdocs makes rather than reads: the zoo from the manifest, the command line from the app itself.

In other pages ``<!-- ours: NAME FIGURE -->`` becomes a figure of the manifest, ``<!-- choices -->`` the table of the
recommended weights, ``<!-- settings -->`` that of the settings of a training, ``<!-- peers chart -->`` and
``<!-- peers table -->`` what was measured beside others, so that none is ever out of date.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

DOCS = Path(__file__).absolute().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]  # the checkout, installed or not, and what lies beside this file

import peers  # noqa: E402
import weight_pages  # noqa: E402
import zoo_pages  # noqa: E402

from carseg.hub import load_manifest  # noqa: E402
from carseg.training import TrainingConfig  # noqa: E402

_SETTINGS, _CHOICES = "<!-- settings -->", "<!-- choices -->"
_PEERS_CHART, _PEERS_TABLE = "<!-- peers chart -->", "<!-- peers table -->"
_OURS = re.compile(r"<!-- ours: (\S+) (\w+)( merged)? -->")
_COLUMNS = 80  # as many letters as a block of text has room for


def on_config(config: Any) -> Any:
    """Puts the weights into the navigation, and the repository's address, once it is set, on every page."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))
    if address := project["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]:
        config.repo_url, config.repo_name = address, address.split("/", 3)[-1]
    [zoo] = [pages["Zoo"] for pages in config.nav if "Zoo" in pages]
    zoo[:] = ["zoo/index.md", *(f"zoo/{name}.md" for name in sorted(load_manifest().models))]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages and their images."""
    from mkdocs.structure.files import File

    models = load_manifest().models
    rows = zoo_pages.timed_rows(models)
    drawn = {name: image for name in models if (image := weight_pages.drawn_result(name))}
    pages: dict[str, str | bytes] = {"command-line.md": command_line_page()}
    pages["zoo/index.md"] = zoo_pages.zoo_page(models, rows, drawn)
    for name, info in models.items():
        pages[f"zoo/{name}.md"] = weight_pages.weight_page(info, rows.get(name), with_image=name in drawn)
    pages |= {f"zoo/{name}.jpg": image for name, image in drawn.items()}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fills in the figures and the recommended weights of the manifest, and the settings of a training."""
    models = load_manifest().models
    markdown = markdown.replace(_SETTINGS, settings_table())
    if _CHOICES in markdown:
        table = zoo_pages.choices_table(models, zoo_pages.timed_rows(models), "zoo/")
        markdown = markdown.replace(_CHOICES, table)
    if _PEERS_CHART in markdown:
        rows = peers.read_peers()
        markdown = markdown.replace(_PEERS_CHART, peers.peers_chart(rows))
        markdown = markdown.replace(_PEERS_TABLE, peers.peers_table(rows))
    return _OURS.sub(lambda asked: zoo_pages.our_figure(models, asked[1], asked[2], merged=bool(asked[3])), markdown)


def settings_table() -> str:
    """Every setting of a training with its default and what the command line says about it, one row each."""
    rows = (f"| `{field.name}` | `{field.default!r}` | {field.metadata['help']} |" for field in fields(TrainingConfig))
    return "\n".join(["| setting | default | what it is |", "|---|---|---|", *rows])


def command_line_page() -> str:
    """The help of every command, as the app prints it."""
    import typer

    from carseg.cli import app

    root = typer.main.get_command(app)
    lines = ["# Command line", "", "Made from the program itself; `carseg COMMAND --help` prints the same.", ""]
    for path, text in _helps(root, "carseg", None):
        lines += [f"## {path}", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines)


def _helps(command: Any, path: str, parent: Any) -> Iterator[tuple[str, str]]:
    import typer

    widths = {"terminal_width": _COLUMNS, "max_content_width": _COLUMNS}
    settings = {**command.context_settings, **widths}
    context = typer.Context(command, info_name=path.split()[-1], parent=parent, **settings)
    yield path, command.get_help(context)
    for name, inner in getattr(command, "commands", {}).items():
        yield from _helps(inner, f"{path} {name}", context)
