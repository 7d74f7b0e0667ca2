carseg data convert sideless --sides --out with-sides
