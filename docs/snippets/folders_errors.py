import carseg

model = carseg.load("fpn-mobilenetv2-carparts")

for result in model.stream(["img.jpg", "no-such-file.jpg"], on_error="yield"):
    if isinstance(result, carseg.CarsegError):
        print("left out:", result.source, "because", result)
    else:
        result.save("results")
