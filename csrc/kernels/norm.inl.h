constexpr NormKernels kNorm = {};
