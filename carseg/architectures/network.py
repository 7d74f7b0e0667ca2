"""Base of every network of the zoo, whose promises let training, loading and export treat all of them alike.

In evaluation mode ``forward`` takes float32 images (N, in_channels, H, W) of any H, W >= 1, as the weights' input
spec normalizes them, and returns float logits (N, num_classes, h, w) over the same field of view. h and w are H and W,
or smaller where the published network predicts at a lower resolution; callers that need full size interpolate
(bilinear, align_corners False). In training mode it returns a tuple of such tensors: the main output first, then the
auxiliary outputs for deep supervision.

A training batch holds at least two images: where a batch norm follows pooling to 1x1 (DeepLabv3, DeepLabv3+, PSPNet,
ResNeSt) a single one has no variance, and torch raises ValueError ("Expected more than 1 value per channel").
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

State = dict[str, Tensor]  # a state dict


class Network(nn.Module):
    """Base of the zoo's networks; the class attributes say what code outside a network has to know.

    Attributes:
        encoder_prefix: prefix of the encoder's keys in the state dict, "" where no part is called an encoder.
        timm_encoder: name of the timm network whose ImageNet weights fit the encoder, "" where there is none.
        training_only: submodules that ``forward`` uses in training mode only; published weights leave them out.
        loss_weights: weight of each training output in the loss, main output first.
        first_stage: the first submodules with weights, which compute in float32 where the rest computes in bfloat16,
            because all later layers amplify their rounding errors. Later layers read only the last one's result.
    """

    encoder_prefix: ClassVar[str] = ""
    training_only: ClassVar[tuple[str, ...]] = ()
    first_stage: ClassVar[tuple[str, ...]] = ()
    timm_encoder: str = ""
    loss_weights: tuple[float, ...] = (1.0,)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        raise NotImplementedError

    def drop_training_heads(self) -> None:
        """Remove the submodules that prediction never uses; training then has the main output alone."""
        for name in self.training_only:
            setattr(self, name, None)
            self.loss_weights = self.loss_weights[:1]

    def timm_key(self, key: str) -> str:
        """Return timm's name of the encoder's parameter ``key``; see ``carseg.hub.load_encoder``."""
        return key.removeprefix(self.encoder_prefix)

    def timm_state(self) -> State:
        """Return the state dict with the encoder's parameters under timm's names."""
        return {self.timm_key(key): value for key, value in self.state_dict().items()}
