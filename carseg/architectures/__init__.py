"""Published network architectures, one a file; `carseg.registry` finds them by name."""
