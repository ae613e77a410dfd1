// Softmax and the losses over classes in double precision: the specification, and the float64 path.
#pragma once

#include "core/class_loss.h"

namespace pyconv::ref {

void softmax_forward(const View& x, int axis, bool logarithm, const View& y);
void softmax_backward(const View& y, const View& gy, int axis, bool logarithm, const View& gx);
ClassLossSum cross_entropy_forward(const ClassLoss& loss, double* losses, double* slopes);
void cross_entropy_backward(const double* slopes, const double* gy, double scale, const Rows& gx);

// loss = -w[t] x[t]; T is float or double: there is nothing to compute, only to look up.
template <class T>
ClassLossSum nll_forward(const ClassLoss& loss, T* losses);
// gx[t] = -w[t] scale gy[row] (gy null: 1), 0 elsewhere.
template <class T>
void nll_backward(const ClassLoss& loss, const T* gy, double scale, const Rows& gx);

}  // namespace pyconv::ref
