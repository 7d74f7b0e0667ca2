import ray

import carseg

photos = ray.data.read_binary_files("images", include_paths=True)  # or "s3://bucket/photos"
rows = photos.map_batches(
    carseg.Batch,
    fn_constructor_args=["parts"],
    batch_format="pyarrow",
    batch_size=32,
    num_cpus=1,
    compute=ray.data.ActorPoolStrategy(min_size=1, max_size=4),
)
rows.write_parquet("results-of-ray")
