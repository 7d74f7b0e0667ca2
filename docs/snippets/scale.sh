carseg batch images results --rows 2
carseg batch images results --rows 2
carseg batch 'more/*.jpg' results-of-more --columns parts,mask --workers 1
