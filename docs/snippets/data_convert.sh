carseg data convert labelled --out as-png
carseg data convert labelled --out as-coco --to coco
