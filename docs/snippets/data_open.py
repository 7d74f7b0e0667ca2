import carseg

data = carseg.data.load("labelled")
print(len(data), data.format, data.labels.classes)

image, mask = data[0].load()  # uint8 (height, width, 3) and uint8 (height, width)
