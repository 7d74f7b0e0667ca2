carseg models
carseg info fpn-mobilenetv2-carparts
carseg download fpn-mobilenetv2-carparts
carseg verify
