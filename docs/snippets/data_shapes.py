import carseg

data = carseg.data.load("outlines", background_images=True, line_width=10)
print(len(data), data.format, data.labels.classes)
