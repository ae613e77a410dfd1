#include "ops/gemm/batch.h"

#include "core/parallel.h"
#include "ops/gemm/gemm.h"
#include "ref/gemm.h"

namespace pyconv {
namespace {

// From so many multiply-adds on the threads share one product, below they share the stack.
constexpr int64_t kSharedMacs = 1 << 22;

// The matrix of a stack whose leading axes have the index `i`.
View matrix(const View& stack, int64_t i) {
  const int last = stack.rank() - 2;
  int64_t offset = 0;
  for (int axis = last - 1; axis >= 0; --axis) {
    offset += i % stack.shape[axis] * stack.strides[axis];
    i /= stack.shape[axis];
  }
  View m;
  m.dtype = stack.dtype;
  m.data = static_cast<char*>(stack.data) + offset * item_size(stack.dtype);
  m.shape = {stack.shape[last], stack.shape[last + 1]};
  m.strides = {stack.strides[last], stack.strides[last + 1]};
  return m;
}

}  // namespace

void gemm_batch(const View& a, const View& b, void* c) {
  const int64_t m = a.shape[a.rank() - 2], k = a.shape[a.rank() - 1], n = b.shape[b.rank() - 1];
  if (m == 0 || n == 0) return;  // of a stack that may be 2³¹ matrices high
  int64_t count = 1;
  for (int axis = 0; axis < a.rank() - 2; ++axis) count *= a.shape[axis];
  const auto product = [&](int64_t i) {
    poll_interrupt();
    if (a.dtype == DType::kFloat32)
      gemm(matrix(a, i), matrix(b, i), nullptr, static_cast<float*>(c) + i * m * n);
    else ref::gemm(matrix(a, i), matrix(b, i), nullptr, static_cast<double*>(c) + i * m * n);
  };
  if (count > 1 && m * n * k < kSharedMacs) parallel_for(count, product);
  else
    for (int64_t i = 0; i < count; ++i) product(i);
}

}  // namespace pyconv
