#include "ref/gemm.h"

#include "core/parallel.h"

namespace pyconv::ref {

void gemm(const View& a, const View& b, const double* bias, double* c) {
  const int64_t m = a.shape[0], k = a.shape[1], n = b.shape[1];
  for (int64_t i = 0; i < m; ++i) {
    poll_interrupt();
    for (int64_t j = 0; j < n; ++j) {
      double sum = bias ? bias[j] : 0.0;
      for (int64_t l = 0; l < k; ++l)
        sum += a.as<double>()[i * a.strides[0] + l * a.strides[1]] *
               b.as<double>()[l * b.strides[0] + j * b.strides[1]];
      c[i * n + j] = sum;
    }
  }
}

}  // namespace pyconv::ref
