"""Every architecture goes through torch.export with a free batch size, height and width."""

import pytest
import torch
from torch.export import Dim

from carseg.architectures.registry import list_architectures
from carseg.hub.create import create_model

# The same code as a smaller network of the family, with more of it.
LARGER = {"u2net", "resnest101-unet", "resnest200-unet", *(f"segformer-b{i}" for i in range(1, 6))}


@pytest.mark.parametrize("name", [name for name in list_architectures() if name not in LARGER])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, while it exports
def test_export_with_dynamic_batch_and_size(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name, 5).eval()
    dynamic = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    images = (torch.randn(2, 3, 72, 104),)
    exported = torch.export.export(model, images, dynamic_shapes={"x": dynamic}, strict=False).module()
    for shape in ((1, 3, 65, 97), (3, 3, 101, 66)):
        x = torch.randn(shape)
        with torch.no_grad():
            torch.testing.assert_close(exported(x), model(x), rtol=1e-4, atol=1e-5)
