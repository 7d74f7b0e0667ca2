import json

import webdataset as wds

import carseg

batch = carseg.Batch("parts")
photos = wds.WebDataset("photos.tar", shardshuffle=False).to_tuple("__key__", "jpg").batched(32)
with wds.TarWriter("parts.tar") as results:
    for keys, contents in photos:
        rows = batch({"key": keys, "bytes": contents})
        for key, parts, error in zip(rows["key"], rows["parts"], rows["error"], strict=True):
            results.write({"__key__": key, "json": json.dumps({"parts": parts, "error": error})})
