carseg predict img.jpg
