import os
import sys

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

import carseg

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
spark = SparkSession.builder.master("local[1]").getOrCreate()
photos = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load("images")
photos = photos.selectExpr("path", "content as bytes").repartition(2)

batch = carseg.Batch("parts")
schema = from_arrow_schema(batch(pa.table({"path": pa.array([], pa.string())})).schema)
rows = photos.mapInArrow(lambda batches: map(batch, batches), schema)
rows.write.parquet("results-of-spark")
