CARSEG_OFFLINE=1 CARSEG_HUB=hub carseg predict img.jpg
carseg predict img.jpg --hub hub
