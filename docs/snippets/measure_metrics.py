import carseg
from carseg.evaluation import Evaluation

model = carseg.load("fpn-mobilenetv2-carparts")
data = carseg.data.load("labelled", labels=model.labels)

evaluation = Evaluation(model.labels)
for sample in data:
    image, truth = sample.load()
    evaluation.add(model.predict(image).mask, truth)
scores = evaluation.scores()
print(scores.miou, scores.miou_ci, scores.side_error)
