from collections.abc import Iterator

import cv2  # pip install opencv-python-headless
import numpy as np

import carseg


def frames(path: str) -> Iterator[np.ndarray]:
    """BGR images, one at a time, so that a long video needs no more memory than a short one."""
    video = cv2.VideoCapture(path)
    while True:
        there, frame = video.read()
        if not there:
            return
        yield frame


model = carseg.load("fpn-mobilenetv2-carparts")
for number, result in enumerate(model.stream(frames("drive.mp4"), channels="bgr")):
    result.save("frames", kinds=("overlay",), stem=f"{number:05}")
