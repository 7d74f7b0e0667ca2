carseg predict pictures --out results
carseg predict pictures more/*.jpg img.jpg --out results-of-all
