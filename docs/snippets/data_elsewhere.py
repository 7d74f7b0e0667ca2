import carseg

data = carseg.data.load("survey", format="masks", images="photos", annotations="checked")
print(len(data), data.format, data.labels.classes)
