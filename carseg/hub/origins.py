"""Places that may have weights: their syntax, and the one that this package was installed from. Opens no socket.

pip records in ``direct_url.json`` (PEP 610) from which folder a package came, from which commit of which repository, or
from which archive of it. The weights lie in the repository, so the forge's addresses of raw files lead to them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from carseg._files import parse_json
from carseg.errors import OptionError

Origin = Path | str  # a folder, or the address of another hub
ORG_REPO = r"hf://([\w.-]+/[\w.-]+)"  # pattern of hf://ORG/REPO
_REPOSITORY = re.compile(ORG_REPO + r"(?:@([\w.-]+(?:/[\w.-]+)*))?")
HUGGING_FACE = "hf://"  # begins the address of a repository
ASSET = "{asset}"  # in an address: stands for a file's name where there are no folders, as among a release's assets

_GITLAB = "{host}/{path}/-/raw/{revision}"
_GITEA = "{host}/{path}/raw/commit/{revision}"
_PLAIN = "{host}/{path}/raw/{revision}"
_FORGES = {
    "github.com": ("https://raw.githubusercontent.com/{path}/{revision}",),
    "gitlab.com": (_GITLAB,),
    "codeberg.org": (_GITEA,),
    "bitbucket.org": (_PLAIN,),
}
# For servers of unknown software: which one a self-hosted server runs cannot be seen from its name.
_ANY_FORGE = (_GITLAB, _GITEA, _PLAIN)
# GitHub and Gitea: /ORG/REPO/archive/REVISION.tar.gz; GitLab: /ORG/REPO/-/archive/REVISION/REPO-REVISION.tar.gz;
# Bitbucket: /ORG/REPO/get/REVISION.tar.gz
_ARCHIVE = re.compile(r"(.+?)/(?:-/archive/([\w.-]+)/[^/]+|archive/([\w./-]+)|get/([\w.-]+))\.(?:tar\.gz|zip)")


class UnavailableError(Exception):
    """A place does not give a file; the message is the reason."""


class MissingFileError(UnavailableError):
    """A place says that it has no such file."""


def web_address(text: object) -> str | None:
    """Return an ``http(s)`` address as it may be asked for, white space encoded; None for anything else."""
    if not isinstance(text, str) or not re.match("https?://", text, re.IGNORECASE):
        return None
    return re.sub(r"\s", lambda found: quote(found[0]), text.strip())


def parse_origin(hub: str) -> Origin:
    """Return a folder (also ``file://``) as a Path, an ``http(s)://`` base or ``hf://ORG/REPO[@REVISION]`` as a str.

    Raises:
        OptionError: ``hf://`` without a repository.
    """
    if hub.startswith(HUGGING_FACE):
        parse_repository(hub)
        return hub
    if address := web_address(hub):
        return address.rstrip("/")
    if hub.startswith("file://"):
        return _path(hub)
    return Path(os.path.expanduser(hub))


def parse_repository(name: str) -> tuple[str, str | None]:
    """Return ("ORG/REPO", revision) of ``hf://ORG/REPO[@REVISION]``.

    Raises:
        OptionError: it is written in another way.
    """
    found = _REPOSITORY.fullmatch(name)
    if found is None:
        raise OptionError(f"{name}: a repository is written hf://ORG/REPO, or hf://ORG/REPO@REVISION")
    return found[1], found[2]


def asset_name(file: str) -> str:
    """Return the name of a hub's file where there are no folders: ``NAME.model.safetensors``."""
    return file.replace("/", ".")


def file_address(hub: str, file: str) -> str:
    """Return the address of a file, such as ``NAME/model.safetensors``, in a hub at an ``http(s)://`` address."""
    return hub.replace(ASSET, quote(asset_name(file))) if ASSET in hub else f"{hub}/{quote(file)}"


def installed_from(distribution: str = "carseg") -> list[Origin]:
    """Return the places with weights beside the source a distribution was installed from; [] for a package index."""
    from importlib import metadata  # slow, and not needed for the weights in the package

    try:
        text = metadata.distribution(distribution).read_text("direct_url.json")
        return origins_of(parse_json(text)) if text else []
    # Not installed, or a record that cannot be read.
    except (metadata.PackageNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return []


def origins_of(direct_url: dict[str, Any]) -> list[Origin]:
    """Return the places with weights beside the source in the content of a ``direct_url.json``."""
    url = urlsplit(direct_url["url"])
    folder = "/".join(part for part in (direct_url.get("subdirectory", "").strip("/"), "weights") if part)
    if url.scheme == "file":
        return [_path(direct_url["url"]) / folder]
    if not url.hostname:
        return []
    commit = direct_url.get("vcs_info", {}).get("commit_id", "")
    path, revision = (url.path, commit) if re.fullmatch("[0-9a-f]{40,64}", commit) else _of_archive(url.path)
    if not revision:
        return []
    scheme = url.scheme if url.scheme in ("http", "https") else "https"  # ssh://git@github.com/..., git://...
    port = f":{url.port}" if url.port and scheme == url.scheme else ""
    host, path = f"{scheme}://{url.hostname}{port}", path.strip("/").removesuffix(".git")
    forms = _FORGES.get(url.hostname, _ANY_FORGE)
    return [f"{form.format(host=host, path=path, revision=revision)}/{folder}" for form in forms]


def _of_archive(path: str) -> tuple[str, str]:
    """Return the path of a repository and the revision in the path of a forge's archive; ("", "") for another path."""
    found = _ARCHIVE.fullmatch(path)
    return (found[1], found[2] or found[3] or found[4]) if found else ("", "")


def _path(file_url: str) -> Path:
    from urllib.request import url2pathname  # imports http and ssl

    return Path(url2pathname(urlsplit(file_url).path))
