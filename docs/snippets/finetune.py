import carseg

# --8<-- [start:train]
best = carseg.finetune(
    "fpn-mobilenetv2-carparts",
    data="labelled",
    out="runs/mine",
    config=carseg.TrainingConfig(epochs=3),  # to try it out; 50 is the default
)
print(best)  # runs/mine/best
# --8<-- [end:train]

# --8<-- [start:use]
model = carseg.load("runs/mine/best")
result = model.predict("img.jpg")
# --8<-- [end:use]
