constexpr LayoutKernels kLayout = {};
