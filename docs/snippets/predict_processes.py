import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import carseg

model: carseg.Segmenter  # of each process


def keep(given: carseg.Segmenter) -> None:
    global model
    model = given


def parts(path: str) -> list[str]:
    return [part.name for part in model.predict(path).parts]


if __name__ == "__main__":
    loaded = carseg.load("parts", threads=1)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, initializer=keep, initargs=(loaded,)) as pool:
        for names in pool.map(parts, ["images/a.jpg", "more/c.jpg"]):
            print(names)
