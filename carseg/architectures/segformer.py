"""SegFormer: "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers", Xie et al. 2021,
https://arxiv.org/abs/2105.15203.

Layer names are those of the public checkpoints (github.com/NVlabs/SegFormer); `convert_public` also reads those of the
transformers library. Layer norms have epsilon 1e-6 in blocks and after stages but 1e-5 in patch embeddings and after
the spatial reduction, as the checkpoints were trained; transformers has 1e-5 throughout, which moves logits by 1e-5.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import torch
import torch.nn.functional as F
from timm.layers.drop import DropPath
from torch import Tensor, nn

from carseg.architectures.blocks import pad_small, upsample
from carseg.architectures.network import Network, State

_HEADS = (1, 2, 5, 8)
_REDUCTIONS = (8, 4, 2, 1)  # of keys and values, per side
_LEAST_SIDE = 29  # the first stage's reduction needs 8 positions at stride 4
_DROP_PATH = 0.1


class Variant(NamedTuple):
    """Channels and number of blocks of the four stages, and the width of the head."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    head: int


_B1_WIDTHS = (64, 128, 320, 512)
_VARIANTS = {
    "b0": Variant((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b1": Variant(_B1_WIDTHS, (2, 2, 2, 2), 256),
    "b2": Variant(_B1_WIDTHS, (3, 4, 6, 3), 768),
    "b3": Variant(_B1_WIDTHS, (3, 4, 18, 3), 768),
    "b4": Variant(_B1_WIDTHS, (3, 8, 27, 3), 768),
    "b5": Variant(_B1_WIDTHS, (3, 6, 40, 3), 768),
}


class PatchEmbed(nn.Module):
    """Overlapping strided convolution: (N, C, H, W) to tokens (N, h * w, width), and h, w."""

    def __init__(self, in_channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, width, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        x = self.proj(x)
        return self.norm(_tokens(x)), x.shape[-2], x.shape[-1]


class Attention(nn.Module):
    """Self-attention whose keys and values come from a coarser grid."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        if reduction > 1:
            self.sr = nn.Conv2d(width, width, reduction, reduction)
            self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        source = self.norm(_tokens(self.sr(_grid(x, height, width)))) if self.reduction > 1 else x
        query = self._split(self.q(x))
        key, value = map(self._split, self.kv(source).chunk(2, -1))
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class DepthwiseConv(nn.Module):
    """Depthwise 3x3 convolution over the grid of tokens (N, h * w, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        return _tokens(self.dwconv(_grid(x, height, width)))


class Mlp(nn.Module):
    """Feed-forward layer with a depthwise 3x3 in it, which stands in for position encodings."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.dwconv = DepthwiseConv(4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        return self.fc2(F.gelu(self.dwconv(self.fc1(x), height, width)))


class Block(nn.Module):
    """Transformer block over tokens (N, h * w, width): attention and a feed-forward layer, with stochastic depth."""

    def __init__(self, width: int, heads: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads, reduction)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x), height, width))
        return x + self.drop_path(self.mlp(self.norm2(x), height, width))


class MixTransformer(nn.Module):
    """MiT encoder: images to features (N, widths[i], h, w) at strides 4, 8, 16, 32, sides rounded up."""

    def __init__(self, variant: Variant, in_channels: int) -> None:
        super().__init__()
        count = sum(variant.depths)
        drops = iter([_DROP_PATH * i / (count - 1) for i in range(count)])  # deeper blocks are skipped more often
        inputs = (in_channels, *variant.widths[:-1])
        for i, (width, depth) in enumerate(zip(variant.widths, variant.depths, strict=True)):
            embed = PatchEmbed(inputs[i], width, 3 if i else 7, 2 if i else 4)
            blocks = nn.ModuleList(Block(width, _HEADS[i], _REDUCTIONS[i], next(drops)) for _ in range(depth))
            self.add_module(f"patch_embed{i + 1}", embed)
            self.add_module(f"block{i + 1}", blocks)
            self.add_module(f"norm{i + 1}", nn.LayerNorm(width, eps=1e-6))
        self.apply(_initialize)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for i in range(1, 5):
            x, height, width = self.get_submodule(f"patch_embed{i}")(x)
            for block in getattr(self, f"block{i}"):
                x = block(x, height, width)
            x = _grid(self.get_submodule(f"norm{i}")(x), height, width)
            features.append(x)
        return features


class Projection(nn.Module):
    """Linear layer over the channels of a grid."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_channels, width)

    def forward(self, x: Tensor) -> Tensor:
        return _grid(self.proj(_tokens(x)), *x.shape[-2:])


class Fuse(nn.Module):
    """1x1 convolution over concatenated features, batch norm, ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4 * width, width, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return the fused features, of the last one's size; ``features`` have 1/32 to 1/4 of the input size."""
        # Convolving a concatenation is a sum of convolutions: each runs at its own size and is then upsampled, which
        # takes a third of the work.
        parts = zip(features, self.conv.weight.chunk(4, 1), strict=True)
        summands = [upsample(F.conv2d(x, weight), features[-1]) for x, weight in parts]
        return F.relu(self.bn(summands[0] + summands[1] + summands[2] + summands[3]))


class Head(nn.Module):
    """All-MLP head: brings the four features to one width, fuses them at one size, classifies."""

    def __init__(self, widths: tuple[int, ...], width: int, num_classes: int) -> None:
        super().__init__()
        for i in range(4, 0, -1):
            self.add_module(f"linear_c{i}", Projection(widths[i - 1], width))
        self.linear_fuse = Fuse(width)
        self.dropout = nn.Dropout2d(0.1)
        self.linear_pred = nn.Conv2d(width, num_classes, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        projected = [self.get_submodule(f"linear_c{i}")(features[i - 1]) for i in range(4, 0, -1)]
        return self.linear_pred(self.dropout(self.linear_fuse(projected)))


class SegFormer(Network):
    """SegFormer: images (N, in_channels, H, W) to logits (N, num_classes, H / 4, W / 4), rounded up.

    A side below 29 pixels is padded inside.
    """

    encoder_prefix = "backbone."

    def __init__(self, variant: str, num_classes: int, in_channels: int) -> None:
        super().__init__()
        sizes = _VARIANTS[variant]
        self.backbone = MixTransformer(sizes, in_channels)
        self.decode_head = Head(sizes.widths, sizes.head, num_classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        height, width = x.shape[-2:]
        logits = self.decode_head(self.backbone(pad_small(x, _LEAST_SIDE)))
        logits = logits[..., : (height + 3) // 4, : (width + 3) // 4]
        return (logits,) if self.training else logits


def _tokens(x: Tensor) -> Tensor:
    """Return a grid (N, C, h, w) as tokens (N, h * w, C)."""
    return x.flatten(2).transpose(1, 2)


def _grid(x: Tensor, height: int, width: int) -> Tensor:
    """Return tokens (N, h * w, C) as a grid (N, C, h, w)."""
    return x.transpose(1, 2).unflatten(2, (height, width))


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


# Left: names in NVlabs' encoder-only checkpoints and in the transformers library (in its files, and in memory as of
# version 5). Right: names here; the number after a # counts from 0 there and from 1 here.
_RENAMES = (
    (r"^(patch_embed|block|norm)(\d)\.", r"backbone.\1\2."),
    (r"^(segformer\.)?(encoder\.)?(?=(patch_embeddings|block|layer_norm|stages)\.)", "backbone."),
    (r"\.(patch_embeddings\.(\d)|stages\.(\d)\.patch_embeddings)\.", r".patch_embed#\2\3."),
    (r"\.(block\.(\d)|stages\.(\d)\.blocks)\.", r".block#\2\3."),
    (r"^backbone\.(layer_norm\.(\d)|stages\.(\d)\.layer_norm)\.", r"backbone.norm#\2\3."),
    (r"\.attention\.(self\.query|q_proj)\.", ".attn.q."),
    (r"\.attention\.(self\.key|k_proj)\.", ".attn.k."),
    (r"\.attention\.(self\.value|v_proj)\.", ".attn.v."),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.attention\.(self\.sr|sequence_reduction\.sequence_reduction)\.", ".attn.sr."),
    (r"\.attention\.(self|sequence_reduction)\.layer_norm\.", ".attn.norm."),
    (r"\.(layer_norm_1|layernorm_before)\.", ".norm1."),
    (r"\.(layer_norm_2|layernorm_after)\.", ".norm2."),
    (r"\.layer_norm\.", ".norm."),
    (r"\.mlp\.dense", ".mlp.fc"),
    (r"^decode_head\.(linear_c|linear_projections)\.(\d)\.", r"decode_head.linear_c#\2."),
    (r"^decode_head\.linear_fuse\.weight$", "decode_head.linear_fuse.conv.weight"),
    (r"^decode_head\.batch_norm\.", "decode_head.linear_fuse.bn."),
    (r"^decode_head\.classifier\.", "decode_head.linear_pred."),
)
_UNUSED = ("head.", "classifier.", "decode_head.conv_seg.")  # ImageNet classifiers, and a layer that never runs


def convert_public(state: State) -> State:
    """Return the weights of a checkpoint of NVlabs or of transformers under the names of ``SegFormer``.

    NVlabs' may be whole networks or ImageNet encoders (``mit_b*.pth``).
    """
    renamed = {}
    for key, value in state.items():
        if not key.startswith(_UNUSED):
            for pattern, replacement in _RENAMES:
                key = re.sub(pattern, replacement, key)
            renamed[re.sub(r"#(\d)", lambda match: str(int(match[1]) + 1), key)] = value
    for key in [key for key in renamed if ".attn.k." in key]:
        parts = [renamed.pop(key), renamed.pop(key.replace(".attn.k.", ".attn.v."))]
        renamed[key.replace(".attn.k.", ".attn.kv.")] = torch.cat(parts)
    return renamed


segformer_b0, segformer_b1, segformer_b2, segformer_b3, segformer_b4, segformer_b5 = (
    functools.partial(SegFormer, variant) for variant in ("b0", "b1", "b2", "b3", "b4", "b5")
)
