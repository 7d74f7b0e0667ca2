import carseg

model = carseg.load("car")
result = model.predict("img.jpg", edges="refined")

# numpy uint8 (height, width): 0 outside the car, 255 inside, between along its outline.
opacity = result.alpha
result.cutout().save("cutout.png")
