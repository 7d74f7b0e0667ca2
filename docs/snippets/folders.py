import carseg

model = carseg.load("fpn-mobilenetv2-carparts")

for result in model.stream("images"):  # a folder with its sub-folders, a glob pattern, a list, a generator
    print(result.source, len(result.parts))
