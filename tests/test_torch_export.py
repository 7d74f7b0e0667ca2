"""Every kind of architecture goes through torch.export with a free batch size, height and width."""

import pytest
import torch
from torch.export import Dim

from carseg.architectures.registry import list_architectures

from networks import LARGER, shallow

# All that these are made of is in other networks of the list: a trace takes seconds.
COVERED = {
    *LARGER,
    *("deeplabv3plus-resnet50", "fcn-resnet50", "fpn-efficientnet-lite1"),
    *("lraspp-mobilenetv2", "unet-mobilenetv2", "unet-noskip"),
}


@pytest.mark.parametrize("name", [name for name in list_architectures() if name not in COVERED])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, while it exports
def test_export_with_dynamic_batch_and_size(name: str) -> None:
    model = shallow(name).eval()
    dynamic = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    images = (torch.randn(2, 3, 72, 104),)
    exported = torch.export.export(model, images, dynamic_shapes={"x": dynamic}, strict=False).module()
    for shape in ((1, 3, 65, 97), (3, 3, 101, 66)):
        x = torch.randn(shape)
        with torch.no_grad():
            torch.testing.assert_close(exported(x), model(x), rtol=1e-4, atol=1e-5)
