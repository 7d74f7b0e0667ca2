import carseg
from carseg.evaluation import Evaluation

model = carseg.load("fpn-mobilenetv2-carparts")
data = carseg.data.load("labelled", labels=model.labels)

evaluation = Evaluation(model.labels)
for sample in data:
    image, truth = sample.load()
    evaluation.add(model.predict(image, threshold=0.5).mask, truth)
print(evaluation.scores().miou, evaluation.image_mious())
