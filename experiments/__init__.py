"""Comparisons: one TOML file an experiment, `python -m experiments.run NAME` makes its figures again."""
