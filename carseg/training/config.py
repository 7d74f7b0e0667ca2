"""The settings of a training. Standard library only, so that the command line can list them without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from carseg.errors import ManifestError, OptionError
from carseg.hub import Record


def _setting(default: Any, help: str, option: str | None = None) -> Any:
    """Return a field with what the command line and the documentation say about it, and its option's name if unlike."""
    return field(default=default, metadata={"help": help, "option": option})


@dataclass(frozen=True)
class TrainingConfig(Record):
    """Settings of a training; the defaults fine-tune a zoo weight on a few hundred images.

    The meaning of each is in its field's ``metadata["help"]``.

    Raises:
        OptionError: a setting has the wrong type or an impossible value.
    """

    epochs: int = _setting(50, "Passes over the training images, unless minutes are given.")
    minutes: float | None = _setting(None, "Train for this many minutes instead; the schedule adapts.")
    batch_size: int = _setting(8, "Images per step, over all processes.")
    size: tuple[int, int] | None = _setting(
        None, "Height and width of the network's input. Default: those of the weights it starts from."
    )
    start_scale: float = _setting(
        1.0,
        "Train on images of this share of the size at first. They grow over the first 60 % of the training, which "
        "saves time (progressive learning: Tan and Le 2021, https://arxiv.org/abs/2104.00298).",
    )
    lr: float = _setting(1e-3, "Peak learning rate.")
    encoder_lr_factor: float = _setting(0.2, "Learning rate of the encoder as a share of lr.")
    weight_decay: float = _setting(0.01, "Weight decay; biases and norms have none.")
    loss: str = _setting("dice+ce", "Loss: ce, weighted-ce, dice, dice+ce, focal, tversky, lovasz, ohem.")
    optimizer: str = _setting("adamw", "Optimizer: adam, adamw, sgd, adagrad.")
    schedule: str = _setting(
        "cosine", "Schedule of the learning rate: onecycle, poly, cosine, warm-restarts, plateau, constant."
    )
    augment: str = _setting(
        "flip+affine+jitter",
        'Augmentation: none, all, or several joined by "+": flip, crop, perspective, affine (scale, rotate, shift), '
        "jitter (colour), paste (another image as background), backdrop (a generated background).",
    )
    freeze: tuple[str, ...] = _setting((), 'Parts to leave unchanged: "encoder", "bn".')
    encoder: str | None = _setting(
        None,
        "Weights that the encoder starts from: a file with timm's names, a model or run folder with the same encoder, "
        'or "imagenet" (downloaded by timm).',
    )
    teacher: str | None = _setting(
        None,
        "A model or run folder with the same classes to learn from; its probabilities count as much as the labels.",
    )
    unlabeled: str | None = _setting(
        None,
        "A folder of images without labels, to learn from as well; they are labelled by the teacher.",
        option="--unlabelled",
    )
    ema: float = _setting(0.99, "Decay of the moving average of the weights; the average is validated and saved.")
    accumulate: int = _setting(1, "Number of parts to split a batch into, if it does not fit into memory.")
    clip: float = _setting(1.0, "Largest norm of the gradient; 0 turns clipping off.")
    balanced: bool = _setting(False, "Draw images with rare classes more often.")
    patience: int | None = _setting(None, "Stop after this many validations without an improvement.")
    val_fraction: float = _setting(
        0.1, "Share of the training images held out if the data has no validation split; 0 trains on all."
    )
    seed: int = _setting(0, "Seed of everything random.")
    cache: str = _setting(
        "auto",
        "Decode all images once, into the run folder: always, never (read them again each time, with the same "
        "results), or auto (if that takes at most 16 GiB and half of the disk's free space).",
    )
    workers: int = _setting(2, "Threads that read images, or processes without the cache.")
    device: str = _setting("auto", "Where to compute: auto, cpu, cuda, cuda:N, mps.")
    precision: str = _setting(
        "auto", "Number format: auto (bfloat16 if the device has it natively), float32, bfloat16, float16."
    )
    skip_bad: bool = _setting(False, "Leave out images that cannot be read, instead of refusing to start.")
    background_images: bool = _setting(False, "Treat images without a label file as background.")
    line_width: float | None = _setting(
        None, "Width in pixels of lines and points among the labels; 0 leaves them out. Default: they are refused."
    )
    tensorboard: bool = _setting(False, "Also log for TensorBoard, into tensorboard/ in the run's folder.")

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
        except ManifestError as error:
            raise OptionError(str(error)) from None
        for name in ("epochs", "batch_size", "accumulate", "workers"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.patience is not None and self.patience < 1:
            raise OptionError(f"patience must be at least 1, got {self.patience}")
        if not (0 < self.lr < math.inf and (self.minutes is None or 0 < self.minutes < math.inf)):
            raise OptionError(f"lr and minutes must be above 0, got {self.lr} and {self.minutes}")
        for name in ("encoder_lr_factor", "weight_decay", "clip", "seed"):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.line_width is not None and not 0 <= self.line_width < math.inf:
            raise OptionError(f"line_width must be at least 0, got {self.line_width}")
        if self.size is not None and min(self.size) < 1:
            raise OptionError(f"size must be two numbers of at least 1, got {self.size}")
        if not 0 < self.start_scale <= 1:
            raise OptionError(f"start_scale must be above 0 and at most 1, got {self.start_scale}")
        for name in ("val_fraction", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise OptionError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")
        if self.cache not in ("auto", "always", "never"):
            raise OptionError(f"cache must be auto, always or never, got {self.cache!r}")
        if self.unlabeled is not None and self.teacher is None:
            raise OptionError("unlabelled images need a teacher")
        if self.unlabeled is not None and self.balanced:
            raise OptionError("balanced needs labels, and unlabelled images have none")
        if "paste" in self.augment.split("+") and self.batch_size < 2 * self.accumulate:
            raise OptionError(
                "augmentation 'paste' needs two images at a time: use a larger batch_size, or a smaller accumulate"
            )
        if self.batch_size % self.accumulate:
            raise OptionError(f"accumulate must divide the batch size, got {self.accumulate} and {self.batch_size}")
