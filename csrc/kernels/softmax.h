// Arguments and table of the softmax kernels. Plain structs: every instruction set includes this file.
#pragma once

#include <stdint.h>

namespace pyconv {

// Columns of length `length` whose neighbours lie `width`, ... elements apart: x[l * x_step + i].
struct ColumnArgs {
  const float* x;
  int64_t x_step;
  const float* g;  // the gradient, in the backward pass
  int64_t g_step;
  float* y;
  int64_t y_step;
  int64_t length, width;
  int logarithm;
};

// Rows side by side: value l of row i at x[l * step + i].
struct ClassTile {
  const float* x;
  const float* mass;  // per row
  float* e;           // mass exp(x - top) / sum, in x's order; null: not wanted
  float* top;         // per row: max x
  float* log_sum;     // log of the sum of exp(x - top)
  int64_t step, length, width;
};

struct SoftmaxKernels {
  // m = max x; e = exp(x - m) (not stored if null); the sum of e.
  double (*exp_row)(const float* x, int64_t n, float* e, float* m);
  // y = x * s
  void (*scale_row)(const float* x, int64_t n, float s, float* y);
  // y = (x - m) - s
  void (*shift_row)(const float* x, int64_t n, float m, float s, float* y);
  // sum a (b - shift); a null: all 1
  double (*dot_row)(const float* a, const float* b, int64_t n, float shift);
  // gx = y (g - s)
  void (*softmax_grad_row)(const float* y, const float* g, int64_t n, float s, float* gx);
  // gx = g - exp(y) s
  void (*log_softmax_grad_row)(const float* y, const float* g, int64_t n, float s, float* gx);
  // a = (keep q + add) w, and the sum of a; w null: all 1
  double (*mix_row)(const float* q, const float* w, int64_t n, float keep, float add, float* a);
  // y -= a
  void (*subtract_row)(const float* a, int64_t n, float* y);
  void (*class_tile)(const ClassTile*);
  void (*columns)(const ColumnArgs*);
  void (*columns_grad)(const ColumnArgs*);  // x: the forward pass's result
};

}  // namespace pyconv
