import numpy as np
from tritonclient.http import InferenceServerClient, InferInput

import carseg
from carseg.images import Float32Array


class Remote(carseg.Segmenter):
    """A network whose forward pass is Triton's; what comes before and after it is carseg's."""

    server = InferenceServerClient("localhost:8000")

    def forward(self, batch: Float32Array) -> Float32Array:
        """Return logits, float32 (N, classes, h', w'), of images, float32 (N, 3, h, w)."""
        x = InferInput("pictures", batch.shape, "FP32")
        x.set_data_from_numpy(np.ascontiguousarray(batch))
        return self.server.infer("carparts", [x]).as_numpy("logits")


local = carseg.load("parts")
model = Remote(local.info, local.runtime)
print(model.predict("img.jpg"))
