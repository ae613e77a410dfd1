#include "ref/resample.h"

#include "core/parallel.h"

namespace pyconv::ref {
namespace {

// Element (n, c, position) of a view with 1 to 3 spatial axes; `at` holds 3, the leading ones 0.
double* element(const View& view, int64_t n, int64_t c, const int64_t (&at)[3]) {
  int64_t offset = n * view.strides[0] + c * view.strides[1];
  for (int i = 2; i < view.rank(); ++i) offset += at[i + 3 - view.rank()] * view.strides[i];
  return view.as<double>() + offset;
}

// f(n, c, output position, input position, weight) for every pair of an output and an input behind it.
template <class F>
void each_pair(const ResampleShape& s, F&& f) {
  const std::vector<AxisTaps<double>> axes = resample_taps<double>(s);
  const AxisTaps<double>&a = axes[0], &b = axes[1], &d = axes[2];
  int64_t o[3], i[3];
  for (int64_t n = 0; n < s.n; ++n)
    for (o[0] = 0; o[0] < a.out; ++o[0])
      for (o[1] = 0; o[1] < b.out; ++o[1]) {
        poll_interrupt();
        for (o[2] = 0; o[2] < d.out; ++o[2])
          for (int64_t t0 = a.begin[o[0]]; t0 < a.begin[o[0] + 1]; ++t0)
            for (int64_t t1 = b.begin[o[1]]; t1 < b.begin[o[1] + 1]; ++t1)
              for (int64_t t2 = d.begin[o[2]]; t2 < d.begin[o[2] + 1]; ++t2) {
                i[0] = a.position[t0];
                i[1] = b.position[t1];
                i[2] = d.position[t2];
                const double weight = a.weight[t0] * b.weight[t1] * d.weight[t2];
                for (int64_t c = 0; c < s.c; ++c) f(n, c, o, i, weight);
              }
      }
}

void set_zero(const View& view) {
  int64_t size[3] = {1, 1, 1}, at[3];
  for (int i = 2; i < view.rank(); ++i) size[i + 3 - view.rank()] = view.shape[i];
  for (int64_t n = 0; n < view.shape[0]; ++n)
    for (int64_t c = 0; c < view.shape[1]; ++c)
      for (at[0] = 0; at[0] < size[0]; ++at[0])
        for (at[1] = 0; at[1] < size[1]; ++at[1])
          for (at[2] = 0; at[2] < size[2]; ++at[2]) *element(view, n, c, at) = 0.0;
}

}  // namespace

void resample_forward(const ResampleShape& shape, const View& x, const View& y) {
  set_zero(y);
  each_pair(shape, [&](int64_t n, int64_t c, const int64_t (&o)[3], const int64_t (&i)[3], double weight) {
    *element(y, n, c, o) += weight * *element(x, n, c, i);
  });
}

void resample_grad_input(const ResampleShape& shape, const View& gy, const View& gx) {
  set_zero(gx);
  each_pair(shape, [&](int64_t n, int64_t c, const int64_t (&o)[3], const int64_t (&i)[3], double weight) {
    *element(gx, n, c, i) += weight * *element(gy, n, c, o);
  });
}

}  // namespace pyconv::ref
