import coremltools as ct
import torch

import carseg

network = carseg.create_model("fpn-mobilenetv2", weights="fpn-mobilenetv2-carparts").eval()
height, width = carseg.info("parts").input.size
program = torch.export.export(network, (torch.rand(1, 3, height, width),)).run_decompositions({})
ct.convert(program, minimum_deployment_target=ct.target.iOS16).save("parts.mlpackage")
