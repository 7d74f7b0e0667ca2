carseg data show labelled --out page
