carseg benchmark --model runs/own/best --data own --seconds 1 --out figures
