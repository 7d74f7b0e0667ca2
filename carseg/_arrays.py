"""Array types of pixels, labels and logits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Uint8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
