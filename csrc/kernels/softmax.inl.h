constexpr SoftmaxKernels kSoftmax = {};
