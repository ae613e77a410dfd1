constexpr OptimKernels kOptim = {};
