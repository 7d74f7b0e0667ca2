"""The network as one ONNX file, and an image segmented with ONNX Runtime, numpy and Pillow alone, without carseg.

    python examples/onnx_alone.py [IMAGE]

Needs pip install 'carseg[onnx]'. `segment` is all that another program has to do; the file itself says how an image is
prepared and what the classes are. Writes onnx/ (the exported files, and alone.png, the mask in the classes' colours).
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def segment(model: Path, image: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The label ids of an image, uint8 (height, width), and what they mean."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    rule, labels = json.loads(facts["input"]), json.loads(facts["labels"])

    upright = ImageOps.exif_transpose(Image.open(image)).convert("RGB")  # upright, as it was taken
    height, width = rule["size"]
    x = np.asarray(upright.resize((width, height), Image.Resampling.BILINEAR), np.float32)
    x = x / (max(x.max(), 1) if rule.get("scale") == "max" else 255)
    x = ((x - rule["mean"]) / rule["std"]).astype(np.float32).transpose(2, 0, 1)[None]
    [logits] = session.run(None, {session.get_inputs()[0].name: x})

    best = np.full((upright.height, upright.width), -np.inf, np.float32)
    mask = np.zeros(best.shape, np.uint8)
    for label, plane in enumerate(logits[0]):  # one class at a time, so that a large image needs little memory
        plane = np.asarray(Image.fromarray(plane).resize(upright.size, Image.Resampling.BILINEAR))
        mask[plane > best] = label
        best = np.maximum(best, plane)
    return mask, labels


if __name__ == "__main__":
    import carseg

    image = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("car.jpg")
    model = carseg.export("fpn-mobilenetv2-carparts", "onnx").files[0]
    mask, labels = segment(model, image)

    shown = Image.fromarray(mask)
    shown.putpalette([value for color in labels["colors"] for value in color])
    shown.save("onnx/alone.png")
    same = (mask == carseg.load("fpn-mobilenetv2-carparts").predict(image, sides="raw", min_area=0).mask).mean()
    print(f"{model}: {', '.join(labels['classes'][i] for i in np.unique(mask))}")
    print(f"{same:.2%} of the pixels get the label that carseg gives them")
