// The generator, readable, and its float64 draws.
#pragma once

#include <cstdint>

#include "kernels/random.h"

namespace pyconv::ref {

// out = the four words of Philox 4x32-10 for this counter and key.
void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

// The 64-bit draw number i from a position on: two words of one counter.
uint64_t random_bits(RandomPosition at, int64_t i);

// Float64 draws number begin ... end - 1 into out[0 ...].
void random_uniform(double* out, int64_t begin, int64_t end, double low, double high, RandomPosition at);
void random_normal(double* out, int64_t begin, int64_t end, double mean, double deviation, RandomPosition at);

}  // namespace pyconv::ref
