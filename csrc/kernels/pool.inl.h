constexpr PoolKernels kPool = {};
