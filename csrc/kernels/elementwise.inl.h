constexpr ElementwiseKernels kElementwise = {};
