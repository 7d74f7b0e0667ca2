"""What can be set about a training. Standard library only, so that the command line can list it without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from carseg.errors import ManifestError, OptionError
from carseg.hub import Record


@dataclass(frozen=True)
class TrainingConfig(Record):
    """Settings of a training; the defaults fine-tune a zoo weight on a few hundred images.

    Attributes:
        epochs: passes over the training images, unless ``minutes`` is given.
        minutes: a budget of time instead; the schedule fits itself to it.
        batch_size: images a step, over all processes.
        size: (height, width) the network sees; by default that of the weights it starts from.
        start_scale: share of ``size`` that images have at first; they grow over the first 60 % of the training, which
            makes it quicker (progressive learning: Tan and Le 2021, https://arxiv.org/abs/2104.00298).
        lr: peak learning rate.
        encoder_lr_factor: the encoder's share of it.
        weight_decay: on weights, not on biases and norms.
        loss: ce, weighted-ce, dice, dice+ce, focal, tversky, lovasz, ohem.
        optimizer: adam, adamw, sgd, adagrad.
        schedule: onecycle, poly, cosine, warm-restarts, plateau, constant.
        augment: none, all, or several of flip, crop, perspective, affine (scale, rotate, shift), jitter (colour), paste
            (another image as background) joined by "+".
        freeze: parts that stay as they are: "encoder", "bn".
        encoder: what the encoder starts from: a file of weights under timm's names, a model or run folder with the same
            encoder, or "imagenet" (downloaded by timm).
        teacher: a model of the same classes, or a run folder; what it says about an image counts as much as its label.
        unlabelled: a folder of images without labels to learn from too: what is in them the teacher alone says.
        ema: decay of the moving average of the weights, which is what is validated and kept.
        accumulate: parts a batch is cut into, where it does not fit into memory.
        clip: largest norm of the gradient; 0 switches clipping off.
        balanced: draw images with rare classes more often.
        patience: stop after so many validations without a better one.
        val_fraction: share of the training images held out where the data has no validation split; 0 trains on all.
        seed: of everything random.
        workers: threads that read images.
        device: auto, cpu, cuda, cuda:N, mps.
        precision: auto (bfloat16 where the device has it natively), float32, bfloat16, float16.
        skip_bad: leave out images that cannot be read instead of refusing to start.
        tensorboard: also log for TensorBoard, into the folder tensorboard/ of the run.
    """

    epochs: int = 50
    minutes: float | None = None
    batch_size: int = 8
    size: tuple[int, int] | None = None
    start_scale: float = 1.0
    lr: float = 1e-3
    encoder_lr_factor: float = 0.2
    weight_decay: float = 0.01
    loss: str = "dice+ce"
    optimizer: str = "adamw"
    schedule: str = "cosine"
    augment: str = "flip+affine+jitter"
    freeze: tuple[str, ...] = ()
    encoder: str | None = None
    teacher: str | None = None
    unlabeled: str | None = None
    ema: float = 0.99
    accumulate: int = 1
    clip: float = 1.0
    balanced: bool = False
    patience: int | None = None
    val_fraction: float = 0.1
    seed: int = 0
    workers: int = 2
    device: str = "auto"
    precision: str = "auto"
    skip_bad: bool = False
    tensorboard: bool = False

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
        if self.size is not None and min(self.size) < 1:
            raise OptionError(f"size must be two numbers of at least 1, got {self.size}")
        if not 0 < self.start_scale <= 1:
            raise OptionError(f"start_scale must be above 0 and at most 1, got {self.start_scale}")
        for name in ("val_fraction", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise OptionError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")
        if self.unlabeled is not None and self.teacher is None:
            raise OptionError("unlabelled images need a teacher")
        if self.unlabeled is not None and self.balanced:
            raise OptionError("unlabelled images have no classes by which to draw balanced ones")
        if "paste" in self.augment.split("+") and self.batch_size < 2 * self.accumulate:
            raise OptionError("augmentation 'paste' needs two images at a time: a larger batch, or fewer parts of it")
        if self.batch_size % self.accumulate:
            raise OptionError(f"accumulate must divide the batch size, got {self.accumulate} and {self.batch_size}")
