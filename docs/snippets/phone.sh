carseg export parts --out phone
carseg export parts --precision int8 --out phone-int8
