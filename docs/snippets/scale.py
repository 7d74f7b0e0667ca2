import pandas as pd

import carseg

batch = carseg.Batch("parts")
rows = batch(pd.DataFrame({"path": ["img.jpg", "images/a.jpg", "missing.jpg"]}))
for row in rows.itertuples():
    print(row.path, row.error or [part["name"] for part in row.parts])
