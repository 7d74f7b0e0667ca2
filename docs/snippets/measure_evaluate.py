import carseg

model = carseg.load("fpn-mobilenetv2-carparts")
data = carseg.data.load("labelled", labels=model.labels)

scores = carseg.evaluate(model, data)
print(scores.miou, scores.miou_ci, scores.side_error)

doors = {"front_left_door": "door", "front_right_door": "door"}
print(carseg.evaluate(model, data, merge=doors, boundary=False).per_class["door"])
