"""Random changes to images and their masks together, a batch at a time on the training device.

Whatever moves pixels moves labels the same way; where the image's edge comes into view the label is 255. Mirroring
swaps left and right classes. All randomness comes from one generator, so a step's augmentation is a function of its
seed alone.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from carseg.errors import OptionError, unknown_name
from carseg.labels import IGNORE, LabelSet

CHANGES = ("flip", "crop", "perspective", "affine", "jitter")  # of one image by itself: what "all" means
MIXES = ("paste", "backdrop")  # of what an image shows with something else


def parse_augmentation(name: str) -> frozenset[str]:
    """Return the changes that a name such as "none", "flip", "flip+affine", "all" or "all+paste" switches on.

    Raises:
        UnknownNameError: there is no such change.
    """
    if name == "none":
        return frozenset()
    groups = {change: (change,) for change in (*CHANGES, *MIXES)} | {"all": CHANGES}
    for part in name.split("+"):
        if part not in groups:
            raise unknown_name("augmentation", part, groups if "+" in name else ("none", *groups))
    return frozenset(change for part in name.split("+") for change in groups[part])


class Augment:
    """A named augmentation, ready to be applied to batches.

    Args:
        name: as ``parse_augmentation`` takes it.
        labels: the classes: some swap sides when an image is mirrored, one may be the background.

    Raises:
        UnknownNameError: there is no such augmentation.
        OptionError: "paste" or "backdrop" for classes without a background.
    """

    def __init__(self, name: str, labels: LabelSet) -> None:
        self.changes = parse_augmentation(name)
        self.background = labels.background
        if self.changes & set(MIXES) and self.background is None:
            mix = min(self.changes & set(MIXES))
            raise OptionError(f"augmentation {mix!r} needs a background, which {labels.name!r} has not")
        self.zooms = bool(self.changes & {"crop", "affine"})  # so that images larger than the output are worth having
        self._flipped = torch.arange(256, dtype=torch.uint8)
        self._flipped[: len(labels)] = torch.tensor(labels.flipped, dtype=torch.uint8)

    def __call__(
        self, images: Tensor, masks: Tensor, size: tuple[int, int], generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Return changed images and masks, stretched to ``size`` (height, width) as prediction stretches images.

        Args:
            images: uint8 (N, 3, H, W).
            masks: uint8 (N, H, W), label ids.
            size: height and width of what is returned.
            generator: the source of all randomness, on the CPU.

        Returns:
            float32 (N, 3, h, w) in 0..255 and int64 (N, h, w).
        """
        device, count = images.device, len(images)
        mirrored = torch.zeros(count, dtype=torch.bool)
        if "flip" in self.changes:
            mirrored = torch.rand(count, generator=generator) < 0.5
        warp = self._warp(count, mirrored, generator).to(device)
        pixels = images.float()
        if "paste" in self.changes:
            pixels, masks = _paste(pixels, masks, self.background, generator)
        if "backdrop" in self.changes:
            pixels = _backdrop(pixels, masks, self.background, generator)
        if self.changes & {"flip", "crop", "perspective", "affine"} or tuple(images.shape[-2:]) != size:
            grid = _grid(warp, size)
            edge = 1 - 1 / torch.tensor([images.shape[-1], images.shape[-2]], device=device)
            # Positions on the outermost pixels instead of the padding mode "border", which Apple's GPUs lacked in 2025.
            pixels = F.grid_sample(pixels, grid.clamp(-edge, edge), "bilinear", "zeros", align_corners=False)
            # Sampling label + 1 with zero padding makes 0 where the image ends; ``where`` turns that into 255.
            moved = F.grid_sample(masks[:, None].float() + 1, grid, "nearest", "zeros", align_corners=False)[:, 0]
            masks = (moved - 1).where(moved > 0, IGNORE).to(torch.uint8)
        flipped = self._flipped.to(device)[masks.int()]
        masks = flipped.where(mirrored.to(device)[:, None, None], masks)
        if "jitter" in self.changes:
            pixels = _jitter(pixels, generator)
        return pixels, masks.long()

    def _warp(self, count: int, mirrored: Tensor, generator: Generator) -> Tensor:
        """Return homographies (N, 3, 3) from output to input coordinates, both in -1..1."""

        def uniform(low: float, high: float) -> Tensor:
            return torch.rand(count, generator=generator) * (high - low) + low

        warp = torch.eye(3).repeat(count, 1, 1)
        warp[:, 0, 0] = 1 - 2 * mirrored.float()
        if "affine" in self.changes:
            zoom = torch.exp(uniform(-0.4, 0.4))  # above 0 the image gets smaller
            aspect = torch.exp(uniform(-0.15, 0.15))
            angle = uniform(-math.radians(10), math.radians(10))
            affine = torch.eye(3).repeat(count, 1, 1)
            affine[:, 0, 0], affine[:, 0, 1] = zoom * aspect * angle.cos(), -zoom * aspect * angle.sin()
            affine[:, 1, 0], affine[:, 1, 1] = zoom / aspect * angle.sin(), zoom / aspect * angle.cos()
            affine[:, 0, 2], affine[:, 1, 2] = uniform(-0.2, 0.2), uniform(-0.2, 0.2)
            warp = warp @ affine
        if "crop" in self.changes:
            scale = uniform(0.5, 1.0)
            crop = torch.eye(3).repeat(count, 1, 1)
            crop[:, 0, 0] = crop[:, 1, 1] = scale
            crop[:, 0, 2], crop[:, 1, 2] = (1 - scale) * uniform(-1, 1), (1 - scale) * uniform(-1, 1)
            chosen = (torch.rand(count, generator=generator) < 0.5)[:, None, None]
            warp = (warp @ crop).where(chosen, warp)
        if "perspective" in self.changes:
            tilt = torch.eye(3).repeat(count, 1, 1)
            tilt[:, 2, 0], tilt[:, 2, 1] = uniform(-0.2, 0.2), uniform(-0.2, 0.2)
            warp = warp @ tilt
        return warp


def _paste(images: Tensor, masks: Tensor, background: int | None, generator: Generator) -> tuple[Tensor, Tensor]:
    """Replace the background of half of the images by another image of the batch, labels and all.

    Copy-paste: Ghiasi et al. 2021, https://arxiv.org/abs/2012.07177.
    """
    count = len(images)
    other = (torch.arange(count) + torch.randint(1, max(count, 2), (), generator=generator)) % count
    chosen = torch.rand(count, generator=generator) < 0.5
    gone = (masks == background) & chosen.to(masks.device)[:, None, None]
    return _replace(images, images[other], gone), masks[other].where(gone, masks)


def _backdrop(images: Tensor, masks: Tensor, background: int | None, generator: Generator) -> Tensor:
    """Return images of which a third has a generated background: ground and wall of two colours, even or rough.

    Images of one place teach that place's look with the object; what is behind an object should not matter.
    """
    count, _, height, width = images.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator) * (high - low) + low

    rows = torch.arange(height)[None, None, :, None] / height
    ground = ((rows - uniform(0.3, 0.9, 1, 1, 1)) / uniform(0.005, 0.4, 1, 1, 1)).sigmoid()
    wall, floor = (uniform(0, 255, 1, 1, 1) + uniform(-30, 30, 3, 1, 1) for _ in range(2))  # hardly coloured
    scene = torch.lerp(wall, floor, ground)
    roughness = uniform(0, 50, 1, 1, 1) * (torch.rand(count, 1, 1, 1, generator=generator) < 0.7)
    for cells in (3, 12, 48):
        noise = torch.randn(count, 1, cells, cells, generator=generator)
        noise = noise + 0.3 * torch.randn(count, 3, cells, cells, generator=generator)
        scene = scene + roughness * F.interpolate(noise, (height, width), mode="bilinear", align_corners=False)
    chosen = torch.rand(count, generator=generator) < 1 / 3
    gone = (masks == background) & chosen.to(masks.device)[:, None, None]
    return _replace(images, scene.clamp(0, 255).to(images.device), gone)


def _replace(images: Tensor, others: Tensor, gone: Tensor) -> Tensor:
    """Return images with others where ``gone``, bool (N, H, W), says so, with a soft rim, as lenses make it."""
    alpha = F.avg_pool2d(gone[:, None].float(), 3, 1, 1, count_include_pad=False)
    return torch.lerp(images, others, alpha)


def _grid(warp: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the sampling position of every output pixel, float (N, h, w, 2) in -1..1."""
    height, width = size
    y = (torch.arange(height, device=warp.device) + 0.5) / height * 2 - 1
    x = (torch.arange(width, device=warp.device) + 0.5) / width * 2 - 1
    points = torch.stack(
        [x.expand(height, width), y[:, None].expand(height, width), torch.ones(height, width).to(x)], -1
    )
    moved = points.view(1, -1, 3) @ warp.transpose(1, 2)
    return (moved[..., :2] / moved[..., 2:]).view(-1, height, width, 2)


def _jitter(images: Tensor, generator: Generator) -> Tensor:
    """Return images, float (N, 3, H, W) in 0..255, with another brightness, contrast, saturation and colour cast.

    Some become grey, blurred or noisy as well.
    """
    count, device = len(images), images.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return (torch.rand(count, *(shape or (1, 1, 1)), generator=generator) * (high - low) + low).to(device)

    def sometimes(share: float) -> Tensor:
        return (torch.rand(count, 1, 1, 1, generator=generator) < share).to(device)

    grey = images.mean(1, keepdim=True)
    images = torch.lerp(grey, images, uniform(0.4, 1.6).where(~sometimes(0.1), torch.zeros((), device=device)))
    mean = images.mean((1, 2, 3), keepdim=True)
    images = torch.lerp(mean, images, uniform(0.6, 1.4)) * uniform(0.65, 1.35) * uniform(0.9, 1.1, 3, 1, 1)
    images = F.avg_pool2d(images, 3, 1, 1, count_include_pad=False).where(sometimes(0.1), images)
    seed = int(torch.randint(2**62, (), generator=generator))
    noise = torch.randn(images.shape, generator=Generator(device).manual_seed(seed), device=device) * uniform(0, 12)
    images = (images + noise).where(sometimes(0.1), images)
    return images.clamp(0, 255)
