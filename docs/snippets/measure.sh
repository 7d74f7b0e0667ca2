carseg data check labelled
carseg benchmark --model fpn-mobilenetv2-carparts --data labelled --seconds 1 --out figures
