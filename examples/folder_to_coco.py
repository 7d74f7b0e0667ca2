"""A folder of images to one COCO file, as a start for labelling or for tools that read COCO.

    python examples/folder_to_coco.py [FOLDER] [OUT.json]

Images are read and segmented one after another, so the folder may be of any size; broken ones are named and left out.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import carseg
from carseg.data import coco_document
from carseg.inference import Result

folder = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent
out = Path(sys.argv[2] if len(sys.argv) > 2 else "coco.json")


def readable() -> Iterator[Result]:
    for result in carseg.load("fpn-mobilenetv2-carparts").stream(folder, on_error="yield"):
        if isinstance(result, carseg.CarsegError):
            print(f"left out: {result}", file=sys.stderr)
        else:
            yield result


document = coco_document(readable())
out.write_text(json.dumps(document))
print(f"{out}: {len(document['images'])} images, {len(document['annotations'])} parts")
