carseg data check own
carseg data show own --out own-page
