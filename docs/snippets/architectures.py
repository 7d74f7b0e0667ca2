import carseg

print(carseg.list_architectures())
network = carseg.create_model("u2netp", num_classes=7)  # random weights
