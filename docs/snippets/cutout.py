from PIL import Image

import carseg

# A folder to files, which are returned; or with on_error="keep" what went wrong, in the file's place.
files = carseg.cutout("images", "studio", background="white", shadow=True, margin="8%", size="1920x1080", format="jpg")

# One image to a PIL image, with the same words.
result = carseg.load("car").predict("img.jpg")
picture = result.cutout(background=Image.open("showroom.jpg"), shadow=True, size=(1280, 720))
result.cutout().save("car.png")

opacity = result.alpha  # uint8 (height, width), of all cars, soft along their edges
