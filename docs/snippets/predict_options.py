import carseg

model = carseg.load("fpn-mobilenetv2-carparts")

# The mask as the network made it, with all its crumbs and holes.
model.predict("img.jpg", min_area=0)
# Left and right as the network tells them, whether or not they agree with the view of the car.
model.predict("img.jpg", sides="raw")

# Pixels whose class has a probability below 0.6 become background.
model.predict("img.jpg", threshold=0.6)

# The probability of each class: numpy float16 (classes, height, width).
result = model.predict("img.jpg", return_probabilities=True)
wheel = result.probabilities[result.labels.classes.index("wheel")]

# The network looks at windows of 200 pixels, one after another: for small things in large images.
model.predict("img.jpg", tile=200)
