carseg predict images --out results
carseg predict images --out results --skip-existing
carseg predict images more/*.jpg img.jpg --out results-of-all
