carseg cutout images --background white --shadow --margin 8% --size 1920x1080 --format jpg --out studio
carseg cutout img.jpg
carseg cutout img.jpg --background showroom.jpg --shadow --margin 12% --out showroom
carseg cutout img.jpg --model fpn-efficientnet-lite1-car5 --glass tint --background '#e8eaec' --format webp --out tinted
