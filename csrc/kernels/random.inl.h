constexpr RandomKernels kRandom = {};
