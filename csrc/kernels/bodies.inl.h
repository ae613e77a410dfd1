// Every kernel body, in the order of their dependencies.
// clang-format off
#include "kernels/math.inl.h"

#include "kernels/gemm.inl.h"
#include "kernels/dots.inl.h"
#include "kernels/grouped.inl.h"
#include "kernels/grouped_grad.inl.h"
#include "kernels/winograd.inl.h"
#include "kernels/elementwise.inl.h"
#include "kernels/activation.inl.h"
#include "kernels/parametric.inl.h"
#include "kernels/reduce.inl.h"
#include "kernels/layout.inl.h"
#include "kernels/pool.inl.h"
#include "kernels/norm.inl.h"
#include "kernels/softmax.inl.h"
#include "kernels/random.inl.h"
#include "kernels/optim.inl.h"
