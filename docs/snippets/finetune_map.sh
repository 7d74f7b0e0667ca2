carseg finetune fpn-mobilenetv2-carparts labelled --out runs/merged --epochs 1 --map wheel=ignore
