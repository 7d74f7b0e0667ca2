carseg export parts --opset 17 --size 384x384 --out older
