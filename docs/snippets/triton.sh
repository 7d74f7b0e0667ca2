carseg export parts --out exported
