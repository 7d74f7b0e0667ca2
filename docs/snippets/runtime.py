import carseg

model = carseg.load("fpn-mobilenetv2-carparts", runtime="onnx")  # pip install 'carseg[onnx]'
print(model)
