carseg data check labelled --data-format masks
