import carseg
from carseg.hub import mirror

mirror("hub", ["fpn-mobilenetv2-carparts"])
model = carseg.load("fpn-mobilenetv2-carparts", hub="hub")
