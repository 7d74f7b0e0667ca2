carseg predict img.jpg
carseg predict img.jpg --out results --save mask,overlay,cutout,json
carseg predict img.jpg --format json --save ''
