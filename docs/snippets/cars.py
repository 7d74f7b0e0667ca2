import carseg

model = carseg.load("parts")
for car in model.predict("img.jpg").cars:
    print(car.number, car.bbox, car.view, [part.name for part in car.parts])
    if car.uncertain:
        print("this may be several cars")
