carseg benchmark --seconds 1
