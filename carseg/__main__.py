"""``python -m carseg``."""

from carseg.cli import entry

entry()
