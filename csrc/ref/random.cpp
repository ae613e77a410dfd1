#include "ref/random.h"

#include <cmath>

namespace pyconv::ref {
namespace {

constexpr int kPairs = kRandomGroup / 2;  // 64-bit draws per group
constexpr int kCounters = kRandomGroup / 4;
constexpr double kTwoPi = 6.283185307179586476925286766559;

double unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace

void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k[2] = {key[0], key[1]};
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c[0], p1 = uint64_t{0xCD9E8D57u} * c[2];
    const uint32_t next[4] = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(p1),
                              static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(p0)};
    for (int i = 0; i < 4; ++i) c[i] = next[i];
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  for (int i = 0; i < 4; ++i) out[i] = c[i];
}

uint64_t random_bits(RandomPosition at, int64_t i) {
  const uint64_t group = at.group + static_cast<uint64_t>(i / kPairs);
  const uint64_t index = group * kCounters + static_cast<uint64_t>(i % kCounters);
  const uint32_t counter[4] = {static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                               static_cast<uint32_t>(at.stream), static_cast<uint32_t>(at.stream >> 32)};
  const uint32_t key[2] = {static_cast<uint32_t>(at.seed), static_cast<uint32_t>(at.seed >> 32)};
  uint32_t words[4];
  philox(counter, key, words);
  const int half = i % kPairs < kCounters ? 0 : 2;
  return uint64_t{words[half]} << 32 | words[half + 1];
}

void random_uniform(double* out, int64_t begin, int64_t end, double low, double high, RandomPosition at) {
  for (int64_t i = begin; i < end; ++i) out[i - begin] = low + unit(random_bits(at, i)) * (high - low);
}

// Box and Muller: draws i and i + 16 of a group give its normals i and i + 16.
void random_normal(double* out, int64_t begin, int64_t end, double mean, double deviation,
                   RandomPosition at) {
  for (int64_t i = begin; i < end; ++i) {
    const bool second = i % kPairs >= kCounters;
    const int64_t first = second ? i - kCounters : i;
    const double radius = std::sqrt(-2.0 * std::log(unit(random_bits(at, first)) + 0x1p-53));
    const double turn = kTwoPi * unit(random_bits(at, first + kCounters));
    out[i - begin] = mean + deviation * (radius * (second ? std::sin(turn) : std::cos(turn)));
  }
}

}  // namespace pyconv::ref
