carseg label photos --to labelme --model fpn-efficientnet-lite1-car5 --out own/train
carseg label aside --to labelme --model fpn-efficientnet-lite1-car5 --out own/test
