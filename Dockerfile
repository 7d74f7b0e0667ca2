# carseg on a CPU, without PyTorch: the service and its page, or any other command.
#
#     docker build -t carseg .
#     docker run -p 8000:8000 carseg
#
# `.ci/container` runs the RUN lines in an empty virtual environment.
FROM python:3.13-slim AS build
COPY . /src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /src

FROM python:3.13-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir fastapi filelock numpy onnxruntime pillow requests safetensors typer uvicorn
RUN pip install --no-cache-dir --no-deps /wheels/*.whl
USER nobody
WORKDIR /images
EXPOSE 8000
ENTRYPOINT ["carseg"]
CMD ["serve", "--host", "0.0.0.0"]
