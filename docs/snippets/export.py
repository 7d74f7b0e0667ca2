import carseg

exported = carseg.export("fpn-mobilenetv2-carparts", "exported", format="onnx", pictures="pictures")
print(exported.files, exported.figure, exported.value)
