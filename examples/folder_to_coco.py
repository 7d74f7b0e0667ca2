"""A folder of images to one COCO file, as a start for labelling or for tools that read COCO.

    python examples/folder_to_coco.py [FOLDER] [OUT.json]

Images are read and segmented one after another, so the folder may be of any size; broken ones are named and left out.
"""

import json
import sys
from pathlib import Path

import carseg
from carseg.data import coco_document

folder = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent
out = Path(sys.argv[2] if len(sys.argv) > 2 else "coco.json")

document = coco_document(carseg.load("fpn-mobilenetv2-carparts").stream(folder, on_error="yield"))
out.write_text(json.dumps(document))
print(f"{out}: {len(document['images'])} images, {len(document['annotations'])} parts")
