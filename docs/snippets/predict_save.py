import carseg

result = carseg.load("fpn-mobilenetv2-carparts").predict("img.jpg")
paths = result.save("results", kinds=("mask", "overlay", "cutout", "json"))
print(paths["mask"])
