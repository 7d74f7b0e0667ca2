from typing import Any

from fastapi import FastAPI
from ray import serve


def build_app() -> FastAPI:
    """Return the service; each replica makes its own."""
    import carseg
    from carseg.serving import create_app

    return create_app([carseg.load("parts", threads=1), carseg.load("car", threads=1)])


deployment: Any = serve.deployment(serve.ingress(build_app)())
service = deployment.options(num_replicas=1, ray_actor_options={"num_cpus": 1}).bind()
if __name__ == "__main__":
    serve.run(service, name="carseg", route_prefix="/")  # or, from a shell: serve run ray_serve:service
