"""Array types of pixels, labels, logits and probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Uint8Array = npt.NDArray[np.uint8]
Float16Array = npt.NDArray[np.float16]
Float32Array = npt.NDArray[np.float32]
