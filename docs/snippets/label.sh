carseg label images --to labelme --out labels
