carseg label more --to labelme --model runs/own/best --out own-more
