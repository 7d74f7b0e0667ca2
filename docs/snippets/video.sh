carseg predict drive.mp4 --model drivable --out seen.mp4
carseg predict drive.mp4 --model drivable --out seen.mp4 --start 0.5 --end 2 --every 5
carseg predict drive.mp4 --model drivable --save mask,json --every 10
