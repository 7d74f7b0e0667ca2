import queue
import threading

import carseg

images: queue.Queue[str | None] = queue.Queue()


def answer() -> None:
    for result in model.stream(images):
        print(result)


model = carseg.load("fpn-mobilenetv2-carparts")
thread = threading.Thread(target=answer)
thread.start()
images.put("img.jpg")  # is answered at once
images.put(None)
thread.join()
