import carseg

model = carseg.load("parts")
result = model.predict("img.jpg")

for part in result.parts:
    print(f"{part.name}: {part.area_fraction:.1%} of the image, score {part.score:.2f}")
result.overlay().save("overlay.png")
