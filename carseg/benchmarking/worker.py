"""The process that ``carseg.benchmark`` starts for every model: all the measuring.

The job comes as JSON in the first argument. What is found goes to standard output, one JSON object per line, as soon
as it is known, so that a process that dies later has not measured in vain:

    {"figures": {some keys of a row: value}}, {"progress": [stage, done, of how many]}, at worst {"error": sentence}
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from carseg._env import usable_processors
from carseg._files import replacing_folder, to_json
from carseg.benchmarking.page import SCORES
from carseg.benchmarking.rows import QUALITY, SCHEMA
from carseg.errors import CarsegError
from carseg.images import draw, encode_jpeg, synthetic_images
from carseg.inference import RAW, Segmenter, load

if TYPE_CHECKING:
    from carseg.data import Dataset
    from carseg.evaluation import Evaluation

TIMED_IMAGES = 8
WORST_IMAGES = 6
_OVERLAY_WIDTH = 1200

Job = dict[str, Any]


def main() -> None:
    """Do the job in ``sys.argv[1]``."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)  # whatever a library prints goes to standard error
        try:
            _Worker(json.loads(sys.argv[1]), channel).work()
        except (CarsegError, MemoryError, RuntimeError) as error:
            _send(channel, error=f"{error}" if isinstance(error, CarsegError) else f"{type(error).__name__}: {error}")


class _Worker:
    def __init__(self, job: Job, channel: TextIO) -> None:
        self.job, self.channel = job, channel

    def work(self) -> None:
        """Measure everything, the riskiest last: a batch too large can end the process."""
        from carseg.benchmarking import timing
        from carseg.evaluation import Evaluation

        segmenter = self._start()
        device = self._describe(segmenter)
        data = self._data(segmenter) if self.job["data"] else None
        evaluation = Evaluation(segmenter.labels, merge=self.job["merge"])  # refuses what cannot be merged
        images = self._images(data)
        seconds = self.job["seconds"]
        self._figures(**timing.latency(segmenter, images, seconds, self._progress("latency")))
        self._figures(peak_mem_mb=timing.peak_memory_mb(device), gmacs=timing.count_gmacs(segmenter.info))
        if data is not None:
            self._quality(segmenter, data, evaluation)
        batch, rate = timing.throughput(segmenter, images, seconds / 4, self._progress("throughput"))
        self._figures(batch=batch, images_per_s=rate)

    def _start(self) -> Segmenter:
        """Load the model and predict once; the time runs from before this process was started."""
        options = {key: self.job[key] for key in ("hub", "device", "runtime", "precision", "calibration", "threads")}
        segmenter = load(self.job["model"], **options)
        loaded = time.time()
        [image] = synthetic_images(1)
        began = time.time()
        segmenter.predict(image, **RAW)
        self._figures(cold_start_s=loaded - self.job["began"] + time.time() - began)
        return segmenter

    def _describe(self, segmenter: Segmenter) -> str:
        runtime, device = segmenter.runtime, segmenter.runtime.device
        threads, named = self.job["threads"] or usable_processors(), device
        if runtime.name == "torch":
            import torch

            threads = torch.get_num_threads()
            named = f"{device} ({torch.cuda.get_device_name(device)})" if device.startswith("cuda") else device
        self._figures(runtime=runtime.name, precision=runtime.precision, device=named, threads=threads)
        return device

    def _images(self, data: Dataset | None) -> list[bytes]:
        """Return encoded images to time: some of the data set, spread over it, or generated ones."""
        if data is None:
            self._figures(dataset="generated", images=TIMED_IMAGES)
            return synthetic_images(TIMED_IMAGES)
        from carseg.data import subsample

        self._figures(dataset=data.name, split=data.split, images=len(data))
        images = []
        for sample in subsample(data, TIMED_IMAGES):
            with suppress(CarsegError):  # what is broken is named when quality is measured
                rgb, file = sample.load_image(), sample.image
                images.append(file.read_bytes() if isinstance(file, Path) else encode_jpeg(rgb))
        return images or synthetic_images(TIMED_IMAGES)

    def _data(self, segmenter: Segmenter) -> Dataset:
        from carseg.data import load as open_data
        from carseg.data import remap_classes

        job = self.job
        asked = {key: job[key] for key in ("split", "mapping", "background_images", "line_width")}
        data = open_data(job["data"], format=job["data_format"], labels=segmenter.labels, **asked)
        # A class map makes a label set of its own where the folder names no classes; the figures need the model's.
        data = remap_classes(data, segmenter.labels, {name: name for name in data.labels.classes})
        return data.verified() if data.problems else data  # raises: figures of only some images would mislead

    def _quality(self, segmenter: Segmenter, data: Dataset, evaluation: Evaluation) -> None:
        from carseg.evaluation import add_predictions

        add_predictions([evaluation], segmenter, data, progress=self._progress("quality"))
        scores = evaluation.scores().to_dict()
        self._figures(**{key: scores[key] for key in QUALITY})
        if self.job["details"]:
            mious = evaluation.image_mious()
            order = [i for i in mious.argsort() if not math.isnan(mious[i])][:WORST_IMAGES]
            worst = [(data[i], float(mious[i])) for i in order]
            self._save_details(segmenter, Path(self.job["details"]), scores, evaluation.labels.classes, worst)

    def _save_details(
        self, segmenter: Segmenter, folder: Path, scores: dict[str, Any], classes: tuple[str, ...], worst: list[Any]
    ) -> None:
        """Write ``scores.json`` with every figure, and the images of the lowest mIoU beside prediction and truth."""
        with replacing_folder(folder) as partial:
            listed = []
            for number, (sample, miou) in enumerate(worst, start=1):
                rgb, truth = sample.load()
                masks = {"prediction": segmenter.predict(rgb, **RAW).mask, "truth": truth}
                sheet = draw.side_by_side(rgb, masks, segmenter.labels)
                sheet.thumbnail((_OVERLAY_WIDTH, _OVERLAY_WIDTH))
                sheet.save(partial / f"worst-{number}.jpg", quality=85)
                listed.append({"name": sample.name, "miou": miou, "file": f"worst-{number}.jpg"})
            details = {"schema": SCHEMA, "classes": classes, "scores": scores, "worst": listed}
            (partial / SCORES).write_text(to_json(details) + "\n", "utf-8")

    def _figures(self, **figures: Any) -> None:
        plain = {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in figures.items()}
        _send(self.channel, figures=plain)

    def _progress(self, stage: str) -> Any:
        def send(done: int, total: int) -> None:
            _send(self.channel, progress=[stage, done, total])

        return send


def _send(channel: TextIO, **message: Any) -> None:
    channel.write(to_json(message) + "\n")
    channel.flush()
