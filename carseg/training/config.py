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

    What each means stands in its field's ``metadata["help"]``.

    Raises:
        OptionError: a setting has the wrong type, or a value that makes no sense.
    """

    epochs: int = _setting(50, "Passes over the training images, unless minutes are given.")
    minutes: float | None = _setting(None, "A budget of time instead; the schedule fits itself to it.")
    batch_size: int = _setting(8, "Images per step, over all processes.")
    size: tuple[int, int] | None = _setting(
        None, "Height and width that the network sees; by default those of the weights it starts from."
    )
    start_scale: float = _setting(
        1.0,
        "Share of the size that images have at first; they grow over the first 60 % of the training, which makes it "
        "quicker (progressive learning: Tan and Le 2021, https://arxiv.org/abs/2104.00298).",
    )
    lr: float = _setting(1e-3, "Peak learning rate.")
    encoder_lr_factor: float = _setting(0.2, "The encoder's share of it.")
    weight_decay: float = _setting(0.01, "On weights, not on biases and norms.")
    loss: str = _setting("dice+ce", "ce, weighted-ce, dice, dice+ce, focal, tversky, lovasz, ohem.")
    optimizer: str = _setting("adamw", "adam, adamw, sgd, adagrad.")
    schedule: str = _setting("cosine", "onecycle, poly, cosine, warm-restarts, plateau, constant.")
    augment: str = _setting(
        "flip+affine+jitter",
        "none, all, or several of flip, crop, perspective, affine (scale, rotate, shift), jitter (colour), paste "
        '(another image as background), backdrop (a generated one) joined by "+".',
    )
    freeze: tuple[str, ...] = _setting((), 'Parts that stay as they are: "encoder", "bn".')
    encoder: str | None = _setting(
        None,
        "What the encoder starts from: a file of weights under timm's names, a model or run folder with the same "
        'encoder, or "imagenet" (downloaded by timm).',
    )
    teacher: str | None = _setting(
        None,
        "A model of the same classes, or a run folder; its probabilities for an image count as much as the label.",
    )
    unlabeled: str | None = _setting(
        None,
        "A folder of images without labels to learn from too: the teacher alone says what is in them.",
        option="--unlabelled",
    )
    ema: float = _setting(0.99, "Decay of the moving average of the weights, which is what is validated and saved.")
    accumulate: int = _setting(1, "Parts that a batch is cut into, where it does not fit into memory.")
    clip: float = _setting(1.0, "Largest norm of the gradient; 0 switches clipping off.")
    balanced: bool = _setting(False, "Draw images with rare classes more often.")
    patience: int | None = _setting(None, "Stop after so many validations without a better one.")
    val_fraction: float = _setting(
        0.1, "Share of the training images held out where the data has no validation split; 0 trains on all."
    )
    seed: int = _setting(0, "Of everything random.")
    cache: str = _setting(
        "auto",
        "Decode all images once, into the run folder: always, never (they are read again as they come, which leaves "
        "what is learned the same), or auto: where that takes at most 16 GiB and half of the disk's free space.",
    )
    workers: int = _setting(2, "Threads that read images; processes, where they are read as they come.")
    device: str = _setting("auto", "auto, cpu, cuda, cuda:N, mps.")
    precision: str = _setting("auto", "auto (bfloat16 where the device has it natively), float32, bfloat16, float16.")
    skip_bad: bool = _setting(False, "Leave out images that cannot be read instead of refusing to start.")
    background_images: bool = _setting(False, "Images without a label file show nothing but background.")
    line_width: float | None = _setting(
        None, "Width in pixels of lines and points among the labels; 0 leaves them out, by default they are refused."
    )
    tensorboard: bool = _setting(False, "Also log for TensorBoard, into the folder tensorboard/ of the run.")

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
            raise OptionError("unlabelled images have no classes by which to draw balanced ones")
        if "paste" in self.augment.split("+") and self.batch_size < 2 * self.accumulate:
            raise OptionError("augmentation 'paste' needs two images at a time: a larger batch, or fewer parts of it")
        if self.batch_size % self.accumulate:
            raise OptionError(f"accumulate must divide the batch size, got {self.accumulate} and {self.batch_size}")
