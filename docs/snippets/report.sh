carseg report images --out report
carseg report images --out report --require right,wheel:2
carseg report images --out report --format json
