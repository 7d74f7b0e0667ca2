"""carseg: car image segmentation networks, with weights."""

__version__ = "0.1.0"
