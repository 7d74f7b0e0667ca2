import carseg

exported = carseg.export("fpn-mobilenetv2-carparts", "exported", format="onnx", images="images")
print(exported.files, exported.figure, exported.value)
