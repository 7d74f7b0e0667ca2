carseg finetune fpn-efficientnet-lite1-car5 own --out runs/own --epochs 3
