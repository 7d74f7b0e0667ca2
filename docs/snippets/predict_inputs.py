import base64
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import carseg

model = carseg.load("fpn-mobilenetv2-carparts")

model.predict("img.jpg")  # a path; http:// and https:// addresses work too
content = Path("img.jpg").read_bytes()  # the bytes of an image file
model.predict(content, source="upload.jpg")  # its name, after which results are called
model.predict("data:image/jpeg;base64," + base64.b64encode(content).decode())
with open("img.jpg", "rb") as file:
    model.predict(file)
image = Image.open("img.jpg")
model.predict(image)
array = np.asarray(image)  # (height, width, 3), uint8, RGB
model.predict(array)
bgr = array[:, :, ::-1]  # what OpenCV reads
model.predict(bgr, channels="bgr")
model.predict(torch.from_numpy(array.copy()).permute(2, 0, 1))  # (3, height, width), uint8, or float in 0..1
