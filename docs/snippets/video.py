import carseg

model = carseg.load("drivable")
for result in model.stream("drive.mp4"):
    if "direct_lane" in [part.name for part in result.parts]:
        print(f"frame {result.frame}, {result.time:.2f} s: {result.parts['direct_lane'].area_fraction:.0%} is lane")
