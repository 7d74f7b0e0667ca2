"""The training loop: on a CPU, a GPU, or several (torchrun); it can be killed at any moment and resumed.

Everything random in a step comes from the seed and the step's number alone: which images, how they are changed, which
units drop out. So the state to save is that number, the weights and the optimiser, and a resumed run goes where an
uninterrupted one would.

A run folder holds
    state.pt       everything needed to go on
    log.csv        one row per validation
    best/, last/   hub entries (model.safetensors, config.json), what ``carseg.load`` takes
    cache/         the images, decoded and resized once, where they have room
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from carseg._files import repair_folder
from carseg.architectures import Network
from carseg.data import Augment, Dataset
from carseg.errors import DataError, OptionError, TrainingError, excerpt
from carseg.evaluation import Scores, evaluate_network, to_metric
from carseg.hub import Provenance, save_model
from carseg.inference import normalize_batch
from carseg.runtimes import pick_device, prepare_for_processor
from carseg.training import batches, optim
from carseg.training.config import TrainingConfig
from carseg.training.distillation import Teacher
from carseg.training.distributed import Group
from carseg.training.hooks import Hook, Step
from carseg.training.log import TrainingLog
from carseg.training.losses import deep_supervision, inverse_frequency, make_loss, soft_cross_entropy
from carseg.training.precision import training_precision
from carseg.training.run_folder import writing
from carseg.training.state import TrainerState, read_state, write_state
from carseg.training.tensorboard import TensorBoard

CACHE_MARGIN = 1.5  # images are decoded so much larger than the network sees them, for augmentations that zoom in
SAVE_SECONDS = 120  # a state is saved this often, and after every validation
PLATEAU_PATIENCE = 5  # validations without a better one after which schedule "plateau" halves the rate
VALIDATIONS = 100  # at most so many; without a limit a handful of images would be validated after every step
GROWTH = 0.6  # share of the budget after which images have their full size, where they start smaller


class Trainer:
    """One training of a network on a data set; the arguments are those of ``carseg.training.fit``."""

    def __init__(
        self,
        network: Network,
        provenance: Provenance,
        train: Dataset,
        val: Dataset | None,
        run: Path,
        config: TrainingConfig,
        *,
        resume: bool = False,
        hooks: Sequence[Hook] = (),
        hub: str | os.PathLike[str] | None = None,
    ) -> None:
        self.provenance, self.val, self.folder, self.config = provenance, val, run, config
        self.size = config.size or provenance.input.size
        self.group = Group(pick_device(config.device))
        if config.batch_size % (self.group.size * config.accumulate):
            raise OptionError(f"a batch of {config.batch_size} cannot be split evenly over {self.group.size} processes")
        self.log = TrainingLog(run)
        self.hooks = tuple(hooks) if self.group.is_main_process else ()
        if config.tensorboard and self.group.is_main_process:
            self.hooks = (*self.hooks, TensorBoard(run))
        self.device = self.group.device
        self.precision = training_precision(config.precision, self.device)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        prepare_for_processor(self.network, self.device, self.precision)
        optim.freeze(self.network, config.freeze)
        self.model: nn.Module = self.group.wrap(self.network)
        self.average = optim.MovingAverage(self.network, config.ema)
        self.optimizer = optim.make_optimizer(
            self.network,
            config.optimizer,
            config.lr,
            weight_decay=config.weight_decay,
            encoder_lr_factor=config.encoder_lr_factor,
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == torch.float16)
        self.schedule = optim.make_schedule(config.schedule)
        self.augment = Augment(config.augment, train.labels)
        self.teacher = None
        if config.teacher:
            self.teacher = Teacher(config.teacher, train.labels, self.device, self.precision, hub=hub)
        self.state = TrainerState()
        if not (resume and self._restore()):
            self.state.cached = self._fits_cache(len(train))
        self.batches, class_pixels = self._open(train)
        self.steps_per_epoch = self.batches.sampler.steps_per_epoch
        self.loss = make_loss(config.loss, class_pixels)

    def run(self) -> None:
        """Train until the budget is used up or validation has stopped improving.

        Raises:
            TrainingError: the loss is no number any more, or the disk is full; the last saved state is intact.
        """
        began = time.perf_counter() - self.state.seconds
        validated = saved = time.perf_counter()
        steps, waited = 0, 0.0  # since the last validation, in this process
        try:
            while self.done < 1 and self.state.stale < (self.config.patience or math.inf):
                loss, waiting = self._step()
                steps, waited = steps + 1, waited + waiting
                self.state.step += 1
                self.state.loss += loss
                self.state.seconds = self.group.agree(time.perf_counter() - began)
                best = self.state.best if self.state.best >= 0 else None
                for hook in self.hooks:
                    hook.on_step(Step(self.state.step, min(self.done, 1.0), loss, best))
                if self._validation_is_due():
                    spent = time.perf_counter() - validated
                    loss = self.state.loss / (self.state.step - self.state.validated[0])
                    scores = self._validate()
                    self._log(loss, scores, steps * self.config.batch_size / spent, waited / spent)
                    self.save()
                    steps, waited = 0, 0.0
                    validated = saved = time.perf_counter()
                elif self.group.agree(time.perf_counter() - saved) > SAVE_SECONDS:
                    self.save()
                    saved = time.perf_counter()
        finally:
            self.batches.close()
        self._write("last", None)
        if self.val is None:
            self._write("best", None)
        for hook in self.hooks:
            hook.on_end(self.folder)

    def _step(self) -> tuple[float, float]:
        """Take one step of the optimizer; return its loss, and the seconds until the data was there."""
        optim.set_lr(self.optimizer, self.schedule(self.done) * self.state.plateau)
        generator = batches.make_generator(self.config.seed, "step", self.state.step, self.group.rank)
        torch.manual_seed(generator.initial_seed())  # dropout
        self.model.train()
        optim.freeze(self.network, self.config.freeze)
        self.optimizer.zero_grad(set_to_none=True)
        began = time.perf_counter()
        images, masks = self.batches(self.state.step)
        total, waited = 0.0, time.perf_counter() - began
        for part in zip(images.chunk(self.config.accumulate), masks.chunk(self.config.accumulate), strict=True):
            loss = self._loss(*part, generator) / self.config.accumulate
            self.scaler.scale(loss).backward()
            total += loss.item()
        total = self.group.mean(total)
        if not math.isfinite(total):
            raise TrainingError(
                f"the loss became {total} at step {self.state.step + 1}: start again with a learning rate below "
                f"{self.config.lr:g}, or in float32; the last good state of {self.folder} is intact"
            )
        self.scaler.unscale_(self.optimizer)
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update(self.network, self.state.step)
        return total, waited

    def _loss(self, images: Tensor, masks: Tensor, generator: Generator) -> Tensor:
        """Return the loss on some images, changed at random."""
        x, target = self.augment(images.to(self.device), masks.to(self.device), self._size(), generator)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            outputs = self.model(normalize_batch(x, self.provenance.input))
            taught = self.teacher(x) if self.teacher else None
        loss = deep_supervision(self.loss, outputs, self.network.loss_weights, target)
        if taught is not None:
            loss = loss + deep_supervision(soft_cross_entropy, outputs, self.network.loss_weights, taught)
        return loss

    @property
    def done(self) -> float:
        """The share of the budget that is used up, 0..1 and a little beyond."""
        if self.config.minutes is not None:
            return self.state.seconds / (60 * self.config.minutes)
        return self.state.step / (self.config.epochs * self.steps_per_epoch)

    def _validation_is_due(self) -> bool:
        """Return whether it is: after an epoch, at most ``VALIDATIONS`` times and a tenth of the time; at the end."""
        elapsed = self.done - self.state.validated[1] > max(0.999 / VALIDATIONS, 10 * self.state.validating)
        return self.done >= 1 or (elapsed and self.state.step % self.steps_per_epoch == 0)

    def _size(self) -> tuple[int, int]:
        """Return (height, width) of the current step: it grows at first, in steps of 32 pixels."""
        scale = min(self.config.start_scale + (1 - self.config.start_scale) * self.done / GROWTH, 1.0)
        height, width = (side if scale == 1 else max(round(side * scale / 32), 1) * 32 for side in self.size)
        return height, width

    @property
    def _stored_size(self) -> tuple[int, int]:
        margin = CACHE_MARGIN if self.augment.zooms else 1.0
        return round(self.size[0] * margin), round(self.size[1] * margin)

    def _fits_cache(self, count: int) -> bool:
        fits = self.config.cache == "always"
        if self.config.cache == "auto":
            fits = batches.fits_cache(count, self._stored_size, self.folder)
        return bool(self.group.agree(fits))

    def _open(self, train: Dataset) -> tuple[batches.Batches, Tensor | None]:
        """Return what reads the images, and the weights of the classes where the loss wants some."""
        size, workers = self._stored_size, self.config.workers
        present = stored = None
        if self.state.cached:
            with self.group.main_process_first(), writing(self.folder):  # the others find the cache that it made
                stored = batches.cached_pixels(train, size, self.folder / "cache", workers=workers, device=self.device)
        if self.config.balanced or self.config.loss == "weighted-ce":
            masks = stored[1] if stored else batches.read_masks(train, size, workers=workers)
            present = batches.count_classes(masks, len(train.labels))
        sampler = batches.Sampler(
            len(train),
            self.config.batch_size,
            self.config.seed,
            present=present if self.config.balanced else None,
            rank=self.group.rank,
            processes=self.group.size,
        )
        weights = None if present is None else inverse_frequency(present.sum(0))
        if stored:
            return batches.CachedBatches(*stored, sampler), weights
        pin = self.device.type == "cuda"
        return batches.DecodedBatches(train, size, sampler, workers=workers, pin_memory=pin), weights

    def _validate(self) -> Scores | None:
        """Return the scores of the averaged weights on the validation images, by the protocol; save the best."""
        self.state.validated, self.state.loss = (self.state.step, self.done), 0.0
        if self.val is None:
            return None
        scores = None
        began = time.perf_counter()
        if self.group.is_main_process:
            spec = replace(self.provenance.input, size=self.size)
            scores = evaluate_network(self.average.model, self.val, spec, self.device)
        if self.config.minutes is not None:
            self.state.validating = self.group.agree(time.perf_counter() - began) / (60 * self.config.minutes)
        miou = self.group.agree(scores.miou if scores else 0.0)
        if math.isnan(miou):
            raise DataError(f"no pixel of the {len(self.val)} validation images has a label")
        self.state.stale += 1
        if miou > self.state.best:
            self.state.best, self.state.stale = miou, 0
            self._write("best", scores)
        elif self.config.schedule == "plateau" and self.state.stale % PLATEAU_PATIENCE == 0:
            self.state.plateau /= 2
        return scores

    def _log(self, loss: float, scores: Scores | None, images_per_s: float, data_share: float) -> None:
        if not self.group.is_main_process:
            return
        row = {
            "step": float(self.state.step),
            "epoch": self.state.step / self.steps_per_epoch,
            "seconds": self.state.seconds,
            "lr": max(group["lr"] for group in self.optimizer.param_groups),
            "loss": loss,
            "val_miou": scores.miou if scores else None,
            "val_pixel_acc": scores.pixel_acc if scores else None,
            "images_per_s": images_per_s,
            "data_share": data_share,
        }
        with writing(self.folder):
            self.log.add(row)
        for hook in self.hooks:
            hook.on_epoch(row)

    def _write(self, name: str, scores: Scores | None) -> None:
        if self.group.is_main_process:
            metrics = () if scores is None or self.val is None else (to_metric(scores, self.val.name, "val"),)
            with writing(self.folder):
                save_model(self.folder / name, self.average.model, self.provenance, metrics=metrics)

    def save(self) -> None:
        """Write the state, whole or not at all."""
        if self.group.is_main_process:
            parts = {name: part.state_dict() for name, part in self._parts().items()}
            with writing(self.folder):
                write_state(self.folder, {"progress": asdict(self.state), **parts})

    def _restore(self) -> bool:
        """Go back to the last saved state, and return whether there was one; rows logged after it are dropped."""
        saved = read_state(self.folder, self.device)
        if saved is not None:
            try:
                self.state = TrainerState(**saved["progress"])
                for name, part in self._parts().items():
                    part.load_state_dict(saved[name])
            except Exception as error:  # torch raises what it likes about a state of other things
                raise TrainingError(
                    f"the state in {self.folder} is that of another training ({excerpt(str(error))}): start another run"
                ) from None
        if self.group.is_main_process:
            self.log.rewind(self.state.step)
            repair_folder(self.folder / "best")
            for partial in self.folder.glob(".*.part"):  # what a killed process was writing
                partial.unlink()
        return saved is not None

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer | torch.amp.GradScaler]:
        """Return what has a state of its own, by its name in the state file."""
        return {
            "network": self.network,
            "average": self.average.model,
            "optimizer": self.optimizer,
            "scaler": self.scaler,
        }
