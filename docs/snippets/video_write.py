import carseg
from carseg.workflows import overlay_video

model = carseg.load("drivable")
drive = carseg.Video("drive.mp4", every=2, start=0.2)
for result in overlay_video(model.stream(drive), "seen.mp4", drive):
    print(result)
