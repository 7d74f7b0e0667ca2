import carseg

model = carseg.load("fpn-mobilenetv2-carparts")

# Pixels whose class has a probability below 0.6 become background.
model.predict("img.jpg", threshold=0.6)

# The network looks at windows of 200 pixels, one after another: for small things in large images.
model.predict("img.jpg", tile=200)
