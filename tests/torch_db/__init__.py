"""PyTorch's own databases of sample calls, run through pyconv: values, gradients, and an error wherever PyTorch raises one.

`names` lists which of its functions are ours; `refusals` lists every sample that we refuse, and why.
"""
