// exp, log, tanh and what is built of them, on Vec.
