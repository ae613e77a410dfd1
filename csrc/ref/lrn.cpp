#include "ref/lrn.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "core/rows.h"

namespace pyconv::ref {
namespace {

// k + scale sum x^2 over the window of channel c.
double denominator(const LrnShape& s, const double* x, int64_t step, int64_t c, double scale, double k) {
  double sum = 0;
  for (int64_t j = std::max<int64_t>(0, c - s.before); j <= std::min(s.c - 1, c + s.after); ++j)
    sum += x[j * step] * x[j * step];
  return k + scale * sum;
}

}  // namespace

void lrn_forward(const LrnShape& s, const View& x, double scale, double beta, double k, const View& y) {
  const Dims order = logical_order(x.rank());
  const Rows xs = rows_of(x, 1, order), ys = rows_of(y, 1, order);
  for (int64_t r = 0; r < s.rows; ++r) {
    poll_interrupt();
    const double* const in = xs.row<double>(r);
    for (int64_t c = 0; c < s.c; ++c)
      ys.row<double>(r)[c * ys.step] =
          in[c * xs.step] * std::pow(denominator(s, in, xs.step, c, scale, k), -beta);
  }
}

void lrn_backward(const LrnShape& s, const View& x, const View& gy, double scale, double beta, double k,
                  const View& gx) {
  const Dims order = logical_order(x.rank());
  const Rows xs = rows_of(x, 1, order), gs = rows_of(gy, 1, order), os = rows_of(gx, 1, order);
  for (int64_t r = 0; r < s.rows; ++r) {
    poll_interrupt();
    const double *const in = xs.row<double>(r), *const g = gs.row<double>(r);
    for (int64_t c = 0; c < s.c; ++c) {
      double sum = 0;
      for (int64_t i = std::max<int64_t>(0, c - s.after); i <= std::min(s.c - 1, c + s.before); ++i)
        sum +=
            g[i * gs.step] * in[i * xs.step] * std::pow(denominator(s, in, xs.step, i, scale, k), -beta - 1);
      os.row<double>(r)[c * os.step] =
          g[c * gs.step] * std::pow(denominator(s, in, xs.step, c, scale, k), -beta) -
          2 * scale * beta * in[c * xs.step] * sum;
    }
  }
}

}  // namespace pyconv::ref
