#include "core/fpenv.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace pyconv {

#if defined(__SSE2__)
constexpr unsigned kFlushToZero = 1u << 15, kDenormalsAreZero = 1u << 6;

FlushDenormals::FlushDenormals() : saved_(_mm_getcsr()) {
  _mm_setcsr(saved_ | kFlushToZero | kDenormalsAreZero);
}
FlushDenormals::~FlushDenormals() { _mm_setcsr(saved_); }
#else
FlushDenormals::FlushDenormals() : saved_(0) {}
FlushDenormals::~FlushDenormals() = default;
#endif

}  // namespace pyconv
