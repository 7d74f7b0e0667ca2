import carseg
from carseg.serving import Limits, create_app

app = create_app([carseg.load("parts"), carseg.load("car")], limits=Limits(places=32, pixels=25_000_000), api_key="...")
# any ASGI server runs it: uvicorn.run(app, port=8000); another application mounts it: outer.mount("/cars", app)
