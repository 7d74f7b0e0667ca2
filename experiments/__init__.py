"""Comparisons: one TOML file per experiment, `python -m experiments.run NAME` makes its figures again."""
