constexpr ReduceKernels kReduce = {};
