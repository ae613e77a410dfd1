#include "core/lrn_shape.h"

#include <algorithm>

#include "core/error.h"

namespace pyconv {

LrnShape make_lrn_shape(const char* op, const Dims& x, int64_t size) {
  if (x.rank < 3)
    throw ShapeError(cat("[", op, "] input has shape ", text(x), " (", x.rank,
                         " axes), expected (batch, channels, ...) with at least one spatial axis"));
  const int64_t count = element_count(x, op);
  if (size < 1) throw ValueError(cat("[", op, "] size is ", size, ", expected at least 1"));
  LrnShape s;
  s.x = x;
  s.c = x[1];
  s.rows = s.c ? count / s.c : 0;
  // There is nothing beyond the last channel.
  const int64_t most = std::max<int64_t>(0, s.c - 1);
  s.before = std::min(size / 2, most);
  s.after = std::min((size - 1) / 2, most);
  return s;
}

}  // namespace pyconv
