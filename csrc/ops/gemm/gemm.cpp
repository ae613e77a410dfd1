// c = a b: which of the two products, by shape and memory order alone.
#include "ops/gemm/gemm.h"

#include <vector>

#include "core/arena.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/gemm/panels.h"
#include "ops/gemm/products.h"

namespace pyconv {
namespace {

// Dot products beat the packed product where one side has few rows and the reduction is long: at the end of a
// dot its lanes are added up (about 10 cycles), a packed element costs half a cycle once. With a weight of
// 512 x 4608 both run at 145 GFLOP/s on 16 rows (two threads of a Xeon), on 32 dots at 158 and the product at
// 202.
constexpr int64_t kFewRows = 16, kFewColumns = 8, kLength = 20;

}  // namespace

void gemm(const View& a, const View& b, const float* bias, float* c) {
  const int64_t m = a.shape[0], k = a.shape[1], n = b.shape[1];
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) c[i * n + j] = bias ? bias[j] : 0.0f;
    return;
  }
  const bool a_rows = a.strides[1] == 1, b_columns = b.strides[0] == 1;
  const bool few_rows = m <= kFewRows && k >= kLength * m && b_columns;
  const bool few_columns = n <= kFewColumns && k >= kLength * n && a_rows;
  if (few_rows || few_columns) {
    Scratch<float> a_memory(a_rows ? 0 : m * k), b_memory(b_columns ? 0 : k * n);
    return gemm_dots(with_rows(a, a_memory), with_rows(permute(b, {1, 0}), b_memory), bias, c);
  }
  gemm_packed(a, b, bias, c);
}

int64_t multiply_adds(int64_t steps) {
  const int threads = num_threads();
  std::vector<float> sink(static_cast<size_t>(threads));
  parallel_for(threads,
               [&](int64_t i) { sink[static_cast<size_t>(i)] = kernels().gemm.multiply_adds(steps, 0.9f); });
  return threads * steps * 16 * kernels().lanes;
}

}  // namespace pyconv
