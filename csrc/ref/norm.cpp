#include "ref/norm.h"

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

double& element(const View& view, int64_t n, int64_t c, int64_t pixel) {
  int64_t offset = n * view.strides[0] + c * view.strides[1];
  for (int i = view.rank() - 1; i >= 2; --i) {
    offset += pixel % view.shape[i] * view.strides[i];
    pixel /= view.shape[i];
  }
  return view.as<double>()[offset];
}

// f(n, pixel) for every value of one channel
template <class F>
void each_row(const NormShape& s, F&& f) {
  const int64_t pixels = s.x[0] ? s.rows / s.x[0] : 0;
  for (int64_t n = 0; n < s.x[0]; ++n) {
    poll_interrupt();
    for (int64_t p = 0; p < pixels; ++p) f(n, p);
  }
}

}  // namespace

void batch_norm_statistics(const NormShape& shape, const View& x, double* mean, double* variance) {
  const double rows = static_cast<double>(shape.rows);
  for (int64_t c = 0; c < shape.c; ++c) {
    double sum = 0.0, squares = 0.0;
    each_row(shape, [&](int64_t n, int64_t p) { sum += element(x, n, c, p); });
    mean[c] = sum / rows;
    each_row(shape, [&](int64_t n, int64_t p) {
      const double d = element(x, n, c, p) - mean[c];
      squares += d * d;
    });
    variance[c] = squares / rows;
  }
}

void batch_norm_apply(const NormShape& shape, const View& x, const double* mean, const double* invstd,
                      const double* weight, const double* bias, const View& y) {
  for (int64_t c = 0; c < shape.c; ++c)
    each_row(shape, [&](int64_t n, int64_t p) {
      element(y, n, c, p) = (element(x, n, c, p) - mean[c]) * invstd[c] * weight[c] + bias[c];
    });
}

void batch_norm_grad_affine(const NormShape& shape, const View& x, const View& gy, const double* mean,
                            const double* invstd, double* gw, double* gb) {
  for (int64_t c = 0; c < shape.c; ++c) {
    gw[c] = gb[c] = 0.0;
    each_row(shape, [&](int64_t n, int64_t p) {
      const double g = element(gy, n, c, p);
      gb[c] += g;
      gw[c] += g * (element(x, n, c, p) - mean[c]) * invstd[c];
    });
  }
}

void batch_norm_grad_input(const NormShape& shape, const View& x, const View& gy, const double* mean,
                           const double* invstd, const double* weight, const double* gw, const double* gb,
                           bool training, const View& gx) {
  const double rows = static_cast<double>(shape.rows);
  for (int64_t c = 0; c < shape.c; ++c)
    each_row(shape, [&](int64_t n, int64_t p) {
      double g = element(gy, n, c, p);
      if (training) g -= gb[c] / rows + (element(x, n, c, p) - mean[c]) * invstd[c] * gw[c] / rows;
      element(gx, n, c, p) = weight[c] * invstd[c] * g;
    });
}

}  // namespace pyconv::ref
