carseg export fpn-mobilenetv2-carparts --out exported --pictures images
