import carseg

model = carseg.load("parts")
report = carseg.report("images", model=model, require="front,rear,left,right,wheel:4")
if not report.ok:
    print("Please take more photographs: " + ", ".join(report.missing))
for photo in report.photos:
    for warning in photo.warnings:
        print(f"{photo.source}: {warning.text}")

best = report.best["hood"]  # where the hood is seen best
print(f"the hood: photograph {best.photo} of {len(report.photos)}, sharpness {best.part.sharpness:.2f}")
with open("hood.jpg", "wb") as file:
    file.write(best.jpeg)
