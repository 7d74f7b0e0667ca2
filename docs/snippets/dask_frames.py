from pathlib import Path

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
from dask.distributed import Client

import carseg

if __name__ == "__main__":
    with Client(n_workers=1, threads_per_worker=1):  # or Client("tcp://scheduler:8786")
        names = pd.DataFrame({"path": [str(path.absolute()) for path in Path("images").rglob("*.jpg")]})
        photos = dd.from_pandas(names, npartitions=2)

        batch = carseg.Batch("parts")
        schema = batch(pa.table({"path": pa.array([], pa.string())})).schema
        rows = photos.map_partitions(batch, meta=batch(names.head(0)))
        rows.to_parquet("results-of-dask", schema=schema)
