"""Exactly what made each weight of the zoo: one TOML file per weight, `python -m recipes.run NAME` makes it again."""
