// The readable specification of the matrix product: three loops, a double accumulator.
