"""The state of a run: what is needed to go on where it was, in one file that says whether it is whole.

The file is what ``torch.save`` writes, followed by the SHA-256 of that: a damaged bit in the weights of a network
would otherwise load without a word.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from carseg._files import digest_file, replacing
from carseg.errors import TrainingError, excerpt
from carseg.training.log import read_log
from carseg.training.run_folder import STATE

_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass
class TrainerState:
    """The state of a run, beside the tensors.

    Attributes:
        step: steps taken.
        seconds: time they took, validation included.
        cached: whether the images were decoded once, into the cache, or are read as they come.
        validated: step of the last validation, and the share of the budget that was used up by then.
        validating: share of the budget that it took, where the budget is one of time.
        loss: sum over the steps since then.
        best: highest mIoU so far, below 0 before the first validation.
        stale: validations since that one.
        plateau: what schedule "plateau" multiplies the rate by.
    """

    step: int = 0
    seconds: float = 0.0
    cached: bool = True
    validated: tuple[int, float] = (0, 0.0)
    validating: float = 0.0
    loss: float = 0.0
    best: float = -1.0
    stale: int = 0
    plateau: float = 1.0


def write_state(run: Path, state: dict[str, Any]) -> None:
    """Write the state file of a run, whole or not at all; ``state`` has plain values and tensors."""
    with replacing(run / STATE) as partial:
        torch.save(state, partial)
        digest = digest_file(partial)
        with partial.open("ab") as file:
            file.write(digest)


def read_state(run: Path, device: torch.device) -> dict[str, Any] | None:
    """Return what ``write_state`` wrote, its tensors on a device; None where the run was killed before it wrote one.

    Raises:
        TrainingError: the file is damaged, not the state of a run, or was there and is gone.
    """
    path = run / STATE
    again = f"start another run, from {run / 'last'} or {run / 'best'} if they exist"
    if not path.exists():
        if (run / "last").exists() or len(read_log(run)) > 1:  # to begin anew would replace what was learned
            raise TrainingError(f"{path} is missing, and a run cannot continue without it: {again}")
        return None
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[:-_DIGEST_BYTES]).digest() != content[-_DIGEST_BYTES:]:
            raise TrainingError(f"{path} is damaged, or not the state of a training: {again}")
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except TrainingError:
        raise
    except Exception as error:  # whatever unpickling raises
        raise TrainingError(f"{path} cannot be read ({excerpt(str(error))}): {again}") from None
    return state
