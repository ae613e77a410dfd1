// Draws from the counter-based generator. `at` is the position of the first group; the drivers take
// random_groups(count) groups for `count` 32-bit draws, twice as many for 64-bit ones.
#pragma once

#include "core/view.h"
#include "kernels/random.h"

namespace pyconv {

inline int64_t random_groups(int64_t words) { return words / kRandomGroup + (words % kRandomGroup != 0); }

// All outputs are dense; draw i goes to place i in memory.
void random_words(uint32_t* out, int64_t n, RandomPosition at);
void random_uniform(const View& out, double low, double high, RandomPosition at);
void random_normal(const View& out, double mean, double deviation, RandomPosition at);
// Whole numbers low <= k < low + range; the bias is below range / 2^64.
void random_integers(const View& out, int64_t low, uint64_t range, RandomPosition at);
// A permutation of 0 ... n - 1, by Fisher and Yates' shuffle.
void random_permutation(int64_t* out, int64_t n, RandomPosition at);
// y = (u < keep ? x / keep : 0); keep = 0 gives zeros. x and y are dense in the same order.
void dropout(const View& x, const View& y, double keep, RandomPosition at);

}  // namespace pyconv
