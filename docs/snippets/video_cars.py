import carseg

model = carseg.load("road")
for result in model.stream("drive.mp4", track=True):
    for car in result.cars:
        print(f"frame {result.frame}: car {car.id} at {car.bbox}")
