import carseg

with carseg.load("parts", cars="car") as model:
    for car in model.predict("img.jpg").cars:
        if car.body:
            print(f"{car.body.area_px / car.area_px:.0%} of car {car.number} have no part's name")
