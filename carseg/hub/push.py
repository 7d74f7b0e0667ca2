"""A model of one's own in a repository of the Hugging Face Hub, for ``carseg.load("hf://ORG/REPO")``."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from carseg.errors import OptionError
from carseg.hub.card import model_card
from carseg.hub.hugging_face import keep_commit, upload
from carseg.hub.manifest import CONFIG, write_config
from carseg.hub.origins import HUGGING_FACE, parse_repository
from carseg.hub.publish import CARD
from carseg.hub.resolve import resolve


def push(model: str | os.PathLike[str], destination: str, *, private: bool = False) -> str:
    """Upload a model to the root of a repository: its weights, its ``config.json`` and its model card.

    Other files in the repository stay. On this machine ``hf://ORG/REPO`` stands for the new commit from then on.

    Args:
        model: the folder of a fine-tuned network or of its training run (its best weights), or whatever else
            ``carseg.load`` takes. A ``README.md`` beside the weights is the card; without one, a card is written from
            what is known.
        destination: ``hf://ORG/REPO``, made if need be; that needs the write token of ``hf auth login`` or
            ``HF_TOKEN``.
        private: a new repository is seen only by those who may read it.

    Returns:
        The address with the commit, ``hf://ORG/REPO@COMMIT``.

    Raises:
        OptionError: the destination is no such address, or the repository is to be private and is there, public.
        WeightsError, UnknownNameError: there is no such model, or its file is not the one its ``config.json`` names.
        HubError: the upload failed.
    """
    if not destination.startswith(HUGGING_FACE):
        raise OptionError(f"cannot push to {destination}: give hf://ORG/REPO; `carseg hub mirror` writes folders")
    repository, revision = parse_repository(destination)
    if revision is not None:
        raise OptionError(f"cannot push to {destination}: the commit is made by pushing, so give hf://{repository}")
    resolved = resolve(model)
    card = resolved.path.parent / CARD
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        shutil.copyfile(resolved.path, folder / resolved.info.file)
        write_config(folder / CONFIG, resolved.info)
        if card.is_file():
            shutil.copyfile(card, folder / CARD)
        else:
            (folder / CARD).write_text(model_card(resolved.info, address=f"hf://{repository}"), "utf-8")
        commit = upload(folder, repository, message=f"Push {resolved.info.name}", private=private)
    keep_commit(repository, None, commit)
    return f"hf://{repository}@{commit}"
