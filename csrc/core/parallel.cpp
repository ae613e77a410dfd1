#include "core/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "core/fpenv.h"
#include "core/thread_pool.h"

#ifdef PYCONV_OPENMP
#include <omp.h>
#endif

namespace pyconv {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPollInterval{20};

std::atomic<int> g_threads{0};  // 0: not yet chosen
std::atomic<InterruptCallback> g_interrupt{nullptr};
// libgomp's threads do not exist in a forked child, and its first parallel region there waits for them
// for ever. Our own pool starts afresh after a fork, so a child uses that one.
std::atomic<bool> g_forked{false};
struct Region;
thread_local Region* t_region = nullptr;  // the region that this thread works for
thread_local Clock::time_point t_next_poll{};

[[maybe_unused]] const int g_atfork = [] {
  return pthread_atfork(nullptr, nullptr, [] {
    g_forked = true;
    abandon_pool();
  });
}();

bool interrupted() {
  const InterruptCallback callback = g_interrupt.load(std::memory_order_relaxed);
  if (!callback) return false;
  const Clock::time_point now = Clock::now();
  if (now < t_next_poll) return false;
  t_next_poll = now + kPollInterval;
  return callback();
}

// What the threads of one parallel_run share.
struct Region {
  int64_t blocks;
  BlockFunction function;
  void* context;
  Region(int64_t b, BlockFunction f, void* c) : blocks(b), function(f), context(c) {}
  std::atomic<bool> stop{false};
  std::thread::id caller = std::this_thread::get_id();
  std::mutex mutex;
  std::exception_ptr error;

  // Thread `thread` of `threads` runs a contiguous share of the blocks: the same share each time, so
  // that what it wrote in the last op is still in its cache.
  void run_share(int thread, int threads) {
    const FlushDenormals flush;
    Region* const outer = t_region;
    t_region = this;
    const int64_t begin = blocks * thread / threads, end = blocks * (thread + 1) / threads;
    for (int64_t block = begin; block < end && !stop.load(std::memory_order_relaxed); ++block) {
      try {
        check(thread == 0 && !outer);
        function(context, block);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!error) error = std::current_exception();
        stop = true;
      }
    }
    t_region = outer;
  }

  // Throws Interrupted when the work is to stop; the caller's thread also asks the callback.
  void check(bool ask) {
    if (ask && interrupted()) stop = true;
    if (stop.load(std::memory_order_relaxed)) throw Interrupted();
  }

  void finish() const {
    if (error) std::rethrow_exception(error);
  }
};

}  // namespace

int num_threads() {
  int n = g_threads.load(std::memory_order_relaxed);
  if (n == 0) {
    n = default_threads("/sys/fs/cgroup").threads;
    g_threads = n;
  }
  return n;
}

void set_num_threads(int n) {
  if (n < 1 || n > 1024)
    throw ValueError(cat("[set_num_threads] n is ", n, ", expected 1 to 1024"));
  g_threads = n;
}

const char* threading_backend() {
#ifdef PYCONV_OPENMP
  return g_forked ? "std" : "openmp";
#else
  return "std";
#endif
}

void set_interrupt_callback(InterruptCallback callback) { g_interrupt = callback; }
bool in_parallel() { return t_region != nullptr; }

void poll_interrupt() {
  if (t_region) t_region->check(std::this_thread::get_id() == t_region->caller);
  else if (interrupted()) throw Interrupted();
}

void parallel_run(int64_t blocks, BlockFunction function, void* context) {
  if (blocks <= 0) return;
  Region region{blocks, function, context};
  const int threads = t_region ? 1 : static_cast<int>(std::min<int64_t>(blocks, num_threads()));
  if (threads == 1) {
    region.run_share(0, 1);
    region.finish();
    return;
  }
#ifdef PYCONV_OPENMP
  if (!g_forked.load(std::memory_order_relaxed)) {
    // The runtime may grant fewer threads than asked for; the shares are cut by what it granted.
#pragma omp parallel num_threads(threads)
    region.run_share(omp_get_thread_num(), omp_get_num_threads());
    region.finish();
    return;
  }
#endif
  pool_run(threads, [](void* r, int thread, int granted) { static_cast<Region*>(r)->run_share(thread, granted); },
           &region);
  region.finish();
}

}  // namespace pyconv
