import carseg

model = carseg.load(
    "fpn-mobilenetv2-carparts",
    device="cpu",  # auto, cpu, cuda, cuda:1, mps
    precision="float32",  # auto, float32, bfloat16, int8
    threads=2,  # of the CPU; PyTorch's number belongs to the whole process
)
print(model)
