"""carseg: car image segmentation networks, with weights."""
