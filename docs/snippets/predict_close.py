import carseg

with carseg.load("fpn-mobilenetv2-carparts") as model:
    result = model("img.jpg")  # calling a model is predict
