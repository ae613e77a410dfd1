// parallel_for and reduce_ordered: the only two ways to use more than one thread.
//
// Both take a number of blocks that the caller derives from the shape alone. parallel_for's blocks
// write disjoint outputs; reduce_ordered merges the blocks' partial results in block order. So the
// bits of a result never depend on how many threads ran it.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace pyconv {

struct ThreadDefault {
  int threads;      // what was chosen
  int affinity;     // processors this process may run on
  double quota;     // processors' worth of time the control group grants; 0: unlimited
  std::string why;  // which of the sources decided
};

// The default: PYCONV_NUM_THREADS, else OMP_NUM_THREADS, else min(affinity, quota rounded down, at least 1).
// The control group's files are looked up below `cgroup_root` (an argument so that it can be tested).
ThreadDefault default_threads(const std::string& cgroup_root);

int num_threads();
void set_num_threads(int n);      // throws ValueError outside 1 ... 1024
const char* threading_backend();  // "openmp" or "std"

// Asked between blocks on the calling thread, at most every 20 ms; true stops the work.
using InterruptCallback = bool (*)();
void set_interrupt_callback(InterruptCallback callback);

// For long loops, serial or inside a block: asks the callback when 20 ms have passed (on the thread that
// began the work only) and throws Interrupted when the work is to stop.
void poll_interrupt();

// Whether this thread is inside a parallel_for (a nested one runs serially).
bool in_parallel();

using BlockFunction = void (*)(void* context, int64_t block);
void parallel_run(int64_t blocks, BlockFunction function, void* context);

// Calls f(block) for block in [0, blocks), on up to num_threads() threads. The first exception thrown
// by a block is rethrown here after all threads have stopped.
template <class F>
void parallel_for(int64_t blocks, F&& f) {
  using Function = std::remove_reference_t<F>;
  parallel_run(
      blocks, [](void* context, int64_t block) { (*static_cast<Function*>(context))(block); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

// Splits [0, total) in blocks of `grain` and calls f(begin, end) for each.
template <class F>
void parallel_ranges(int64_t total, int64_t grain, F&& f) {
  parallel_for((total + grain - 1) / grain, [&](int64_t block) {
    const int64_t begin = block * grain;
    f(begin, begin + grain < total ? begin + grain : total);
  });
}

// Partial results of `chunks` (= f(shape)) chunks, each computed by part(chunk, partial), merged by
// merge(into, partial) in the order of the chunks. Partial must be default-constructible.
template <class Partial, class Part, class Merge>
Partial reduce_ordered(int64_t chunks, Part&& part, Merge&& merge) {
  std::vector<Partial> partials(static_cast<size_t>(chunks));
  parallel_for(chunks, [&](int64_t chunk) { part(chunk, partials[static_cast<size_t>(chunk)]); });
  Partial result{};
  for (const Partial& p : partials) merge(result, p);
  return result;
}

}  // namespace pyconv
