#include "ops/lrn.h"

#include <algorithm>

#include "core/arena.h"
#include "core/parallel.h"
#include "kernels/select.h"
#include "ops/dense.h"
#include "ref/lrn.h"

namespace pyconv {
namespace {

constexpr int64_t kBlock = 16384;  // values per block

void run(const LrnShape& s, const View& x, const View* gy, double scale, double beta, double k,
         const View& y) {
  if (y.count() == 0) return;
  const DenseInput from(x, true), with(gy ? *gy : x, true);
  ChannelsLastOutput to(y);
  parallel_ranges(s.rows, std::max<int64_t>(1, kBlock / s.c), [&](int64_t begin, int64_t end) {
    Scratch<float> scratch(2 * (s.before + s.c + s.after + kLrnSpare));
    const LrnArgs args{from.as<float>() + begin * s.c,
                       gy ? with.as<float>() + begin * s.c : nullptr,
                       to.data() + begin * s.c,
                       end - begin,
                       s.c,
                       s.before,
                       s.after,
                       static_cast<float>(scale),
                       static_cast<float>(k),
                       static_cast<float>(beta),
                       scratch};
    kernels().lrn.run(&args);
  });
  to.finish();
}

}  // namespace

void lrn_forward(const LrnShape& shape, const View& x, double scale, double beta, double k, const View& y) {
  if (x.dtype == DType::kFloat64) return ref::lrn_forward(shape, x, scale, beta, k, y);
  run(shape, x, nullptr, scale, beta, k, y);
}

void lrn_backward(const LrnShape& shape, const View& x, const View& gy, double scale, double beta, double k,
                  const View& gx) {
  if (x.dtype == DType::kFloat64) return ref::lrn_backward(shape, x, gy, scale, beta, k, gx);
  run(shape, x, &gy, scale, beta, k, gx);
}

}  // namespace pyconv
