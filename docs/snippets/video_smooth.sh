carseg predict drive.mp4 --model drivable --out steady.mp4 --smooth
