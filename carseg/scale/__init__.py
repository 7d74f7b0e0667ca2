"""One picklable callable for cluster engines, and the cluster job. The job needs ``carseg[table]``."""

from __future__ import annotations

from carseg.scale.batch import Batch
from carseg.scale.job import Job, Progress, Summary, run_job
from carseg.scale.rows import COLUMNS

__all__ = ["COLUMNS", "Batch", "Job", "Progress", "Summary", "run_job"]
