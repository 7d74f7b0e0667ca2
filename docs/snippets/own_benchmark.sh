carseg benchmark --model runs/own/best --data own --out figures
