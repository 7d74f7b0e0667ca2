"""What every network of the zoo promises, so that training, loading and export treat all of them alike.

In evaluation mode ``forward`` takes float32 pictures (N, in_channels, H, W) of any H, W >= 1, as the weights' input rule
normalises them, and returns float logits (N, num_classes, h, w) over the same field of view. h and w are H and W, or smaller
where the published network predicts at a lower resolution; whoever needs full size interpolates (bilinear, align_corners False).
In training mode it returns a tuple of such tensors: the main output first, then whatever is supervised beside it.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn


class Network(nn.Module):
    """Base of the zoo's networks; the class attributes say what the code around a network has to know.

    Attributes:
        encoder_prefix: prefix of the encoder's parameters in the state dict, "" where no part is called an encoder.
        timm_encoder: name of the timm network whose ImageNet weights fit the encoder, "" where there is none.
        training_only: submodules that ``forward`` uses in training mode only; published weights leave them out.
        loss_weights: weight of each training output in the loss, main output first.
    """

    encoder_prefix: ClassVar[str] = ""
    timm_encoder: ClassVar[str] = ""
    training_only: ClassVar[tuple[str, ...]] = ()
    loss_weights: ClassVar[tuple[float, ...]] = (1.0,)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        raise NotImplementedError

    def drop_training_heads(self) -> None:
        """Removes the submodules that prediction never uses; the network can then no longer be trained with them."""
        for name in self.training_only:
            setattr(self, name, None)
