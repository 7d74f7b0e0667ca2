import numpy as np

import carseg
from carseg.images import Float32Array

model = carseg.load("fpn-mobilenetv2-carparts")
prepared = model.preprocess("img.jpg")  # prepared.x: float32 (3, h, w), prepared.image.rgb: uint8 (H, W, 3)
[logits] = model.forward(prepared.x[None])  # float32 (classes, h', w'), of a batch of one
preference = np.zeros((len(logits), 1, 1), np.float32)
preference[model.labels.classes.index("wheel")] = 0.5  # where two classes are close, rather a wheel
result = model.postprocess(logits + preference, prepared, threshold=0.4)


class Mirrored(carseg.Segmenter):
    """A network that looks at an image and at its mirror image, and answers with the mean."""

    def forward(self, batch: Float32Array) -> Float32Array:
        """Return logits, float32 (N, classes, h', w'), of images, float32 (N, 3, h, w)."""
        mirrored = super().forward(batch[..., ::-1])[..., ::-1]
        swapped = mirrored[:, list(self.labels.flipped)]  # in a mirror left doors are right ones
        return (super().forward(batch) + swapped) / np.float32(2)


both = Mirrored(model.info, model.runtime)
print(both.predict("img.jpg"))  # so do stream(), tile= and carseg.evaluate(both, data)
