carseg hub mirror hub fpn-mobilenetv2-carparts
