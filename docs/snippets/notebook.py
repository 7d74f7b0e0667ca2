# ruff: noqa: B018
# --8<-- [start:shown]
import carseg

result = carseg.load("fpn-mobilenetv2-carparts").predict("img.jpg")
result  # a notebook shows the overlay
# --8<-- [end:shown]
