"""EfficientNet-Lite computes what timm's does, at any size, strided or dilated."""

import pytest
import timm
import torch

from carseg.architectures.efficientnet_lite import EfficientNetLite

from networks import give_norms_work


@pytest.mark.parametrize("output_stride", [16, 32])
@pytest.mark.parametrize("variant", ["lite0", "lite1", "lite2"])
def test_features_are_timms(variant: str, output_stride: int) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(f"tf_efficientnet_{variant}", features_only=True, output_stride=output_stride)
    give_norms_work(theirs.eval())
    mine = EfficientNetLite(variant, 3, output_stride).eval()
    mine.load_state_dict(theirs.state_dict())
    assert mine.channels == tuple(theirs.feature_info.channels())
    for height, width in ((64, 96), (65, 47), (1, 2)):
        x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height))
        with torch.no_grad():
            for ours, reference in zip(mine(x), theirs(x), strict=True):
                scale = reference.abs().max()
                torch.testing.assert_close(ours / scale, reference / scale, rtol=0, atol=1e-5)
