"""Exactly what made each weight of the zoo: one TOML file a weight, `python -m recipes.run NAME` makes it again."""
