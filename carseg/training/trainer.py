"""The training loop: on a CPU, a GPU, or several (torchrun); it can be killed at any moment and resumed.

Everything random in a step comes from the seed and the step's number alone: which images, how they are changed, which
units drop out. So the state to save is that number, the weights and the optimiser, and a resumed run goes where an
uninterrupted one would.

A run folder holds
    state.pt       everything needed to go on
    log.csv        one row per validation
    best/, last/   hub entries (model.safetensors, config.json), what ``carseg.load`` takes
    cache/         the images, decoded and resized once
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Generator, Tensor, nn

from carseg._files import repair_folder, replacing
from carseg.architectures import Network
from carseg.data import Augment, Dataset, build_cache
from carseg.errors import CarsegError, DataError, OptionError, TrainingError
from carseg.evaluation import Scores, evaluate_network
from carseg.hub import InputSpec
from carseg.inference import normalize_batch
from carseg.runtimes import pick_device, split_for_amx
from carseg.training import optim
from carseg.training.config import TrainingConfig
from carseg.training.distillation import Teacher
from carseg.training.distributed import Group
from carseg.training.log import TrainingLog
from carseg.training.losses import deep_supervision, inverse_frequency, make_loss, soft_cross_entropy
from carseg.training.precision import training_precision
from carseg.training.run_folder import STATE

CACHE_MARGIN = 1.5  # images are cached so much larger than the network sees them, for the augmentations that zoom in
SAVE_SECONDS = 120  # a state is saved this often, and after every validation
PLATEAU_PATIENCE = 5  # validations without a better one after which schedule "plateau" halves the rate
VALIDATIONS = 100  # at most so many; without a limit a handful of images would be validated after every step
GROWTH = 0.6  # share of the budget after which images have their full size, where they start smaller


@dataclass
class TrainerState:
    """The state of a run, beside the tensors."""

    step: int = 0
    seconds: float = 0.0
    validated: tuple[int, float] = (0, 0.0)  # step of the last validation, and the share of the budget used up by then
    validating: float = 0.0  # share of the budget that it took, where the budget is one of time
    loss: float = 0.0  # sum over the steps since then
    best: float = -1.0
    stale: int = 0  # validations since the best one
    plateau: float = 1.0  # what schedule "plateau" multiplies the rate by


class Trainer:
    """One training of a network on a data set.

    Args:
        network: what is trained, with the weights it starts from.
        spec: how it wants its images; training stretches them to ``spec.size``.
        train: the images it learns from; the network predicts their classes.
        val: the images that choose the best state; None keeps the last.
        folder: the run folder.
        pack: writes a hub entry, called as ``pack(folder, network, validation scores or None)``.
        report: called after every step with what a progress bar wants to show.
        hub: where to look for the teacher first.
    """

    def __init__(
        self,
        network: Network,
        spec: InputSpec,
        train: Dataset,
        val: Dataset | None,
        folder: Path,
        config: TrainingConfig,
        *,
        pack: Callable[[Path, Network, Scores | None], None],
        report: Callable[[dict[str, float]], None] | None = None,
        hub: str | os.PathLike[str] | None = None,
    ) -> None:
        self.spec, self.val, self.folder, self.config = spec, val, folder, config
        self.pack, self.report = pack, report
        self.group = Group(pick_device(config.device))
        if config.batch_size % (self.group.size * config.accumulate):
            raise OptionError(f"a batch of {config.batch_size} cannot be shared by {self.group.size} processes alike")
        self.log = TrainingLog(folder, tensorboard=config.tensorboard)
        self.device = self.group.device
        self.precision = training_precision(config.precision, self.device)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        split_for_amx(self.network, self.device, self.precision)
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
        self.images, self.masks = self._load(train)
        counts = [torch.bincount(mask.flatten(), minlength=256)[: len(train.labels)] for mask in self.masks]
        self.present = torch.stack(counts).float().cpu()  # drawn from with a generator of the CPU
        self.teacher = None
        if config.teacher:
            self.teacher = Teacher(config.teacher, train.labels, self.device, self.precision, hub=hub)
        self.loss = make_loss(config.loss, inverse_frequency(self.present.sum(0)))
        self.steps_per_epoch = max(len(train) // config.batch_size, 1)
        self.state = TrainerState()

    def run(self) -> None:
        """Train until the budget is used up or validation has stopped improving.

        Raises:
            TrainingError: the loss is no number any more, or the disk is full; the last saved state is intact.
        """
        began = time.perf_counter() - self.state.seconds
        validated = saved = time.perf_counter()
        steps, waited = 0, 0.0  # since the last validation, in this process
        while self.done < 1 and self.state.stale < (self.config.patience or math.inf):
            optim.set_lr(self.optimizer, self.schedule(self.done) * self.state.plateau)
            loss, waiting = self._step()
            steps, waited = steps + 1, waited + waiting
            self.state.step += 1
            self.state.loss += loss
            self.state.seconds = self.group.agree(time.perf_counter() - began)
            if self.report:
                self.report(
                    {"done": min(self.done, 1), "step": self.state.step, "loss": loss, "best_miou": self.state.best}
                )
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
        self._write("last", None)
        if self.val is None:
            self._write("best", None)
        self.log.close()

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

    def _step(self) -> tuple[float, float]:
        """Take one step of the optimiser; return its loss, and the seconds until the data was there."""
        generator = _generator(self.config.seed, "step", self.state.step, self.group.rank)
        torch.manual_seed(generator.initial_seed())  # dropout
        self.model.train()
        optim.freeze(self.network, self.config.freeze)
        self.optimizer.zero_grad(set_to_none=True)
        total, waited = 0.0, 0.0
        for indices in self._indices().chunk(self.config.accumulate):
            began = time.perf_counter()
            images, target = self._batch(indices, generator)
            waited += time.perf_counter() - began
            with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
                outputs = self.model(normalize_batch(images, self.spec))
                teacher_probabilities = self.teacher(images) if self.teacher else None
            loss = deep_supervision(self.loss, outputs, self.network.loss_weights, target)
            if teacher_probabilities is not None:
                weights = self.network.loss_weights
                loss = loss + deep_supervision(soft_cross_entropy, outputs, weights, teacher_probabilities)
            loss = loss / self.config.accumulate
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

    def _indices(self) -> Tensor:
        """Return this process's share of the images of the current step."""
        epoch, position = divmod(self.state.step, self.steps_per_epoch)
        generator = _generator(self.config.seed, "epoch", epoch)
        count, size = len(self.images), self.config.batch_size
        if self.config.balanced:
            seen = (self.present > 0).float()
            rarity = (seen / seen.sum(0).clamp(min=1)).sum(1)
            order = torch.multinomial(rarity, max(count, size), replacement=True, generator=generator)
        else:  # a set smaller than a batch is gone through several times
            order = torch.cat([torch.randperm(count, generator=generator) for _ in range(-(-size // count))])
        return order[position * size : (position + 1) * size][self.group.rank :: self.group.size]

    def _batch(self, indices: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return images float32 (n, 3, h, w) in 0..255 and labels int64 (n, h, w), changed at random."""
        indices = indices.to(self.images.device)
        images, masks = self.images[indices].to(self.device), self.masks[indices].to(self.device)
        return self.augment(images, masks, self._size(), generator)

    def _size(self) -> tuple[int, int]:
        """Return (height, width) of the current step: it grows at first, in steps of 32 pixels."""
        scale = min(self.config.start_scale + (1 - self.config.start_scale) * self.done / GROWTH, 1.0)
        height, width = (side if scale == 1 else max(round(side * scale / 32), 1) * 32 for side in self.spec.size)
        return height, width

    def _load(self, train: Dataset) -> tuple[Tensor, Tensor]:
        """Return the cached images and masks, on an accelerator that has the room, else on disk."""
        margin = CACHE_MARGIN if self.augment.zooms else 1.0
        height, width = (round(side * margin) for side in self.spec.size)
        with self.group.main_process_first(), self._writing():  # the others find the cache that it made
            cache = build_cache(train, (height, width), self.folder / "cache", workers=self.config.workers)
        tensors = torch.from_numpy(cache.images), torch.from_numpy(cache.masks)
        size = sum(tensor.nbytes for tensor in tensors)
        if self.device.type == "cuda" and size < torch.cuda.mem_get_info(self.device)[0] / 3:
            return tensors[0].to(self.device), tensors[1].to(self.device)
        return tensors

    def _validate(self) -> Scores | None:
        """Return the scores of the averaged weights on the validation images, by the protocol; save the best."""
        self.state.validated, self.state.loss = (self.state.step, self.done), 0.0
        if self.val is None:
            return None
        scores = None
        began = time.perf_counter()
        if self.group.is_main_process:
            scores = evaluate_network(self.average.model, self.val, self.spec, self.device)
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
        if self.group.is_main_process:
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
            with self._writing():
                self.log.add(row)

    def _write(self, name: str, scores: Scores | None) -> None:
        if self.group.is_main_process:
            with self._writing():
                self.pack(self.folder / name, self.average.model, scores)

    def save(self) -> None:
        """Write the state, whole or not at all."""
        if not self.group.is_main_process:
            return
        state = {
            "progress": asdict(self.state),
            "network": self.network.state_dict(),
            "average": self.average.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        with self._writing(), replacing(self.folder / STATE) as partial:
            torch.save(state, partial)

    def resume(self) -> None:
        """Go back to the last saved state (without one, to the beginning); rows logged after it are dropped."""
        path = self.folder / STATE
        if path.exists():
            try:
                state = torch.load(path, map_location=self.device, weights_only=True)
            except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
                message = f"{path} is damaged ({error}): start another run from {self.folder / 'last'} or 'best'"
                raise TrainingError(message) from None
            self.state = TrainerState(**state["progress"])
            self.network.load_state_dict(state["network"])
            self.average.model.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
        if self.group.is_main_process:
            self.log.rewind(self.state.step)
            repair_folder(self.folder / "best")
            for partial in self.folder.glob(".*.part"):  # what a killed process was writing
                partial.unlink()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """End the run with a sentence where a write fails; what was there before is untouched."""
        try:
            yield
        except CarsegError:  # says already what is wrong
            raise
        except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError
            raise TrainingError(
                f"cannot write to {self.folder} ({error}): free some space and go on with --resume; "
                "what was saved before is intact"
            ) from error


def _generator(*identity: object) -> Generator:
    """Return a generator of random numbers that depend on nothing but ``identity``."""
    digest = hashlib.blake2b(repr(identity).encode(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big"))
