// What a loss over classes needs: logits in rows, a label or a distribution per row, weights.
#pragma once

#include "core/rows.h"

namespace pyconv {

constexpr int64_t kIgnored = -1;

struct ClassLoss {
  Rows x;                           // rows of logits (cross-entropy) or of logarithms of probabilities (nll)
  const int64_t* labels = nullptr;  // per row, kIgnored where the row does not count; null: `soft` is given
  Rows soft;                        // distributions, as x
  const void* weight = nullptr;     // one number per class, of x's dtype; null: all 1
  double smoothing = 0;
};

struct ClassLossSum {
  double loss = 0, weight = 0;  // weight: what `mean` divides by
};

// The axis as a number from 0; IndexError outside [-rank, rank). A scalar counts as having one axis.
int softmax_axis(const char* op, const Dims& shape, int64_t axis);

// The axis that holds the classes: 1, or 0 for the logits of one sample.
int class_axis(const Dims& x);

// The shape of the losses without reduction: x's (n, c, ...) without c. Throws ShapeError unless the target
// has that shape (labels) or x's (`soft`) and the weight, if any, one number per class.
Dims class_loss_shape(const char* op, const Dims& x, const Dims& target, const Dims* weight, bool soft);

// Reads labels of any integer dtype in logical order. Throws IndexError for the first one that is neither in
// [0, classes) nor `ignore_index`, naming its place; DTypeError for a dtype that is not an integer's.
void read_labels(const char* op, const View& target, int64_t classes, int64_t ignore_index, int64_t* labels);

}  // namespace pyconv
