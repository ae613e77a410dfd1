#include "ops/random.h"

#include <utility>

#include "core/parallel.h"
#include "kernels/select.h"
#include "ref/random.h"

namespace pyconv {
namespace {

constexpr int64_t kBlockGroups = 256;

// f(first element, elements, position) over blocks of whole groups; `per_group` draws each.
template <class F>
void each_block(int64_t n, int64_t per_group, RandomPosition at, F f) {
  parallel_ranges(n, kBlockGroups * per_group, [&](int64_t begin, int64_t end) {
    RandomPosition here = at;
    here.group += static_cast<uint64_t>(begin / per_group);
    f(begin, end - begin, here);
  });
}

constexpr int64_t kPairs = kRandomGroup / 2;  // 64-bit draws per group

uint64_t high_product(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64);
}

}  // namespace

void random_words(uint32_t* out, int64_t n, RandomPosition at) {
  each_block(n, kRandomGroup, at, [&](int64_t begin, int64_t count, RandomPosition here) {
    kernels().random.words(here, out + begin, count);
  });
}

void random_uniform(const View& out, double low, double high, RandomPosition at) {
  const float flow = static_cast<float>(low), width = static_cast<float>(high - low);
  if (out.dtype == DType::kFloat64)
    each_block(out.count(), kPairs, at, [&](int64_t begin, int64_t count, RandomPosition here) {
      ref::random_uniform(out.as<double>() + begin, 0, count, low, high, here);
    });
  else
    each_block(out.count(), kRandomGroup, at, [&](int64_t begin, int64_t count, RandomPosition here) {
      kernels().random.uniform(here, out.as<float>() + begin, count, flow, width);
    });
}

void random_normal(const View& out, double mean, double deviation, RandomPosition at) {
  if (out.dtype == DType::kFloat64)
    each_block(out.count(), kPairs, at, [&](int64_t begin, int64_t count, RandomPosition here) {
      ref::random_normal(out.as<double>() + begin, 0, count, mean, deviation, here);
    });
  else
    each_block(out.count(), kRandomGroup, at, [&](int64_t begin, int64_t count, RandomPosition here) {
      kernels().random.normal(here, out.as<float>() + begin, count, static_cast<float>(mean),
                              static_cast<float>(deviation));
    });
}

void random_integers(const View& out, int64_t low, uint64_t range, RandomPosition at) {
  each_block(out.count(), kPairs, at, [&](int64_t begin, int64_t count, RandomPosition here) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t k =
          static_cast<int64_t>(static_cast<uint64_t>(low) + high_product(ref::random_bits(here, i), range));
      if (out.dtype == DType::kInt64) out.as<int64_t>()[begin + i] = k;
      else if (out.dtype == DType::kInt32) out.as<int32_t>()[begin + i] = static_cast<int32_t>(k);
      else out.as<uint8_t>()[begin + i] = static_cast<uint8_t>(k);
    }
  });
}

void random_permutation(int64_t* out, int64_t n, RandomPosition at) {
  for (int64_t i = 0; i < n; ++i) out[i] = i;
  for (int64_t i = 0; i + 1 < n; ++i) {
    if (i % 65536 == 0) poll_interrupt();
    const uint64_t left = static_cast<uint64_t>(n - i);
    std::swap(out[i], out[i + static_cast<int64_t>(high_product(ref::random_bits(at, i), left))]);
  }
}

void dropout(const View& x, const View& y, double keep, RandomPosition at) {
  const double scale = keep > 0 ? 1 / keep : 0;
  each_block(x.count(), kRandomGroup, at, [&](int64_t begin, int64_t count, RandomPosition here) {
    if (x.dtype == DType::kFloat32) {
      kernels().random.dropout(here, x.as<float>() + begin, y.as<float>() + begin, count,
                               static_cast<float>(keep), static_cast<float>(scale));
      return;
    }
    uint32_t words[kRandomGroup];
    for (int64_t i = 0; i < count; ++i) {
      if (i % kRandomGroup == 0) {
        kernels().random.words(here, words, kRandomGroup);
        ++here.group;
      }
      const bool kept =
          static_cast<float>(words[i % kRandomGroup] >> 8) * 0x1p-24f < static_cast<float>(keep);
      y.as<double>()[begin + i] = kept ? x.as<double>()[begin + i] * scale : 0.0;
    }
  });
}

}  // namespace pyconv
