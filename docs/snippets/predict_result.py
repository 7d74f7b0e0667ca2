# ruff: noqa: B018
# --8<-- [start:shown]
import carseg

result = carseg.load("fpn-mobilenetv2-carparts").predict("img.jpg")

result.mask  # numpy uint8 (height, width): the label id of every pixel, at the image's own size
result.labels.classes  # what the ids mean: result.labels.classes[3] is the name of id 3
result.parts  # one entry per class that is present
if "wheel" in result.parts:
    result.parts["wheel"]  # the entry of a class

for part in result.parts:
    x, y, width, height = part.bbox  # in pixels
    part.name, part.label, part.area_px, part.area_fraction, part.score
    part.rle  # the part's mask as COCO run lengths
    part.polygons  # outlines, exact to the pixel; worked out when asked for
    part.polygons(tolerance=2)  # the same with fewer vertices
    for piece in part.pieces:  # what is connected, the largest first: two wheels are two pieces
        piece.area_px, piece.bbox, piece.score, piece.rle, piece.polygons

result.view  # which of its sides the car shows, such as "front-left", with a confidence; None without a car

result.overlay()  # PIL image: classes tinted and outlined, with a legend
result.cutout()  # PIL image: the main car, the rest transparent
result.cutout("white")  # or on a colour, or on another image
result.to_dict()  # plain Python values; to_json() gives text
result.to_coco()  # a COCO document
result.to_labelme(), result.to_yolo(), result.to_cvat(), result.to_label_studio()  # for annotation tools
result.to_dataframe()  # a row for each piece of each part, for pandas
result.crop("hood")  # PIL image: the box around a part
# --8<-- [end:shown]
