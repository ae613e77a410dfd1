// Drivers of the matrix product.
