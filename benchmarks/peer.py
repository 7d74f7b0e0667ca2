"""One peer, used as its documentation has it; ``benchmarks.peers`` runs this file with the Python of its environment.

    PYTHON -P peer.py NAME FOLDER OUT HEIGHT WIDTH      # a PNG for every image of a folder

Weights are random but for rembg's: time does not depend on what a network has learned. A network that has no size of
its own sees images of HEIGHT x WIDTH pixels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Size = tuple[int, int]


def rembg(folder: Path, size: Size) -> Iterator[tuple[str, Any]]:
    """Yield cut-outs by the small U^2-Net, whose file rembg finds in U2NET_HOME."""
    from PIL import Image
    from rembg import new_session, remove

    session = new_session("u2netp")
    for path in sorted(folder.iterdir()):
        yield path.stem, remove(Image.open(path), session=session)


def yolo_seg(folder: Path, size: Size) -> Iterator[tuple[str, Any]]:
    """Yield masks by YOLO11n-seg; with random weights it finds hardly an object, so that it has few masks to make."""
    import numpy as np
    from PIL import Image

    for result in _yolo("yolo11n-seg.yaml", folder):
        mask = np.zeros(result.orig_shape, np.uint8)
        if result.masks is not None:
            for number, one in enumerate(result.masks.data.cpu().numpy(), 1):
                mask[one > 0.5] = number % 256
        yield Path(result.path).stem, Image.fromarray(mask)


def yolo_semantic(folder: Path, size: Size) -> Iterator[tuple[str, Any]]:
    """Yield masks by YOLO26n's semantic model."""
    import numpy as np
    from PIL import Image

    for result in _yolo("yolo26n-sem.yaml", folder):
        yield Path(result.path).stem, Image.fromarray(result.semantic_mask.data.cpu().numpy().astype(np.uint8))


def _yolo(model: str, folder: Path) -> Iterator[Any]:
    from ultralytics import YOLO

    yield from YOLO(model).predict(str(folder), stream=True, retina_masks=True, verbose=False, device="cpu")


def torchvision(folder: Path, size: Size) -> Iterator[tuple[str, Any]]:
    """Yield masks by DeepLabv3 on ResNet-50."""
    from torchvision.models.segmentation import deeplabv3_resnet50

    network = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=11)
    yield from _by_torch(network, folder, size, lambda answer: answer["out"])


def smp(folder: Path, size: Size) -> Iterator[tuple[str, Any]]:
    """Yield masks by a U-Net on ResNeSt-50 of segmentation_models_pytorch."""
    import segmentation_models_pytorch

    network = segmentation_models_pytorch.Unet("tu-resnest50d", encoder_weights=None, classes=19)
    yield from _by_torch(network, folder, size, lambda answer: answer)


def transformers(folder: Path, size: Size) -> Iterator[tuple[str, Any]]:
    """Yield masks by SegFormer-B3 with its image processor."""
    import numpy as np
    import torch
    from PIL import Image
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

    depths, widths = [3, 4, 18, 3], [64, 128, 320, 512]
    config = SegformerConfig(depths=depths, hidden_sizes=widths, decoder_hidden_size=768, num_labels=3)
    model = SegformerForSemanticSegmentation(config).eval()
    processor = SegformerImageProcessor(size={"height": size[0], "width": size[1]})
    for path in sorted(folder.iterdir()):
        image = Image.open(path).convert("RGB")
        with torch.inference_mode():
            outputs = model(**processor(images=image, return_tensors="pt"))
            [mask] = processor.post_process_semantic_segmentation(outputs, target_sizes=[image.size[::-1]])
        yield path.stem, Image.fromarray(mask.numpy().astype(np.uint8))


def _by_torch(network: Any, folder: Path, size: Size, logits_of: Callable[[Any], Any]) -> Iterator[tuple[str, Any]]:
    """Yield masks by a network; images are resized and normalised as torchvision's presets do."""
    import numpy as np
    import torch
    from PIL import Image
    from torchvision.transforms import functional

    network.eval()
    for path in sorted(folder.iterdir()):
        image = Image.open(path).convert("RGB")
        x = functional.to_tensor(functional.resize(image, list(size)))
        x = functional.normalize(x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        with torch.inference_mode():
            logits = torch.nn.functional.interpolate(logits_of(network(x[None])), image.size[::-1], mode="bilinear")
        yield path.stem, Image.fromarray(logits[0].argmax(0).numpy().astype(np.uint8))


PEERS = {each.__name__: each for each in (rembg, yolo_seg, yolo_semantic, torchvision, smp, transformers)}


def main(name: str, folder: str, out: str, height: str, width: str) -> None:
    Path(out).mkdir(parents=True)
    for stem, picture in PEERS[name](Path(folder), (int(height), int(width))):
        picture.save(Path(out, f"{stem}.png"))


if __name__ == "__main__":
    main(*sys.argv[1:])
