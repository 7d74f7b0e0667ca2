carseg data convert sideless --sides --out with-sides
carseg data check with-sides
