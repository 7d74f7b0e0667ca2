import carseg

rows = carseg.benchmark("fpn-mobilenetv2-carparts", data="labelled", seconds=1, out="figures")
for row in rows:
    print(row["model"], row["miou"], row["miou_ci"], row["per_class"])
    print(row["ms_p50"], "ms per image on", row["device"])
