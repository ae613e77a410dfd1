// The table of kernels of one instruction set: one struct of function pointers per family.
#pragma once

#include "kernels/activation.h"
#include "kernels/boxes.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/grouped.h"
#include "kernels/layer_norm.h"
#include "kernels/layout.h"
#include "kernels/lrn.h"
#include "kernels/norm.h"
#include "kernels/optim.h"
#include "kernels/pointwise_loss.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/resample.h"
#include "kernels/softmax.h"
#include "kernels/winograd.h"
#include "kernels/winograd_few.h"

namespace pyconv {

struct KernelTable {
  const char* name;  // "scalar", "avx2", "avx512"
  int lanes;         // floats per vector
  GemmKernels gemm;
  GroupedKernels grouped;
  ElementwiseKernels elementwise;
  ActivationKernels activation;
  PointwiseLossKernels pointwise_loss;
  ReduceKernels reduce;
  LayoutKernels layout;
  PoolKernels pool;
  NormKernels norm;
  LayerNormKernels layer_norm;
  LrnKernels lrn;
  SoftmaxKernels softmax;
  RandomKernels random;
  OptimKernels optim;
  WinogradKernels winograd;
  WinogradFewKernels winograd_few;
  ResampleKernels resample;
  BoxKernels boxes;
};

}  // namespace pyconv
