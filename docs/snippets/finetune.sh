carseg data check labelled
carseg finetune fpn-mobilenetv2-carparts labelled --out runs/doors --epochs 3
carseg predict img.jpg --model runs/doors/best
