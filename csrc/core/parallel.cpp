#include "core/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
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

// What the threads of one parallel_run share. Each thread starts with a contiguous share of the blocks, the
// same each time, so that what it wrote in the last op is still in its cache; one that is done helps the
// others. On a busy machine a thread may get no processor for milliseconds: its share is then not waited for.
struct Region {
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  BlockFunction function;
  void* context;
  int share_count;
  std::unique_ptr<Share[]> shares;
  std::atomic<bool> stop{false};
  std::thread::id caller = std::this_thread::get_id();
  std::mutex mutex;
  std::exception_ptr error;

  Region(int64_t blocks, BlockFunction f, void* c, int threads)
      : function(f), context(c), share_count(threads), shares(new Share[static_cast<size_t>(threads)]) {
    for (int i = 0; i < threads; ++i) {
      shares[static_cast<size_t>(i)].next = blocks * i / threads;
      shares[static_cast<size_t>(i)].end = blocks * (i + 1) / threads;
    }
  }

  void work(int thread) {
    const FlushDenormals flush;
    Region* const outer = t_region;
    t_region = this;
    for (int i = 0; i < share_count; ++i) {
      Share& share = shares[static_cast<size_t>((thread + i) % share_count)];
      while (!stop.load(std::memory_order_relaxed)) {
        const int64_t block = share.next.fetch_add(1, std::memory_order_relaxed);
        if (block >= share.end) break;
        try {
          check(thread == 0 && !outer);
          function(context, block);
        } catch (...) {
          const std::lock_guard<std::mutex> lock(mutex);
          if (!error) error = std::current_exception();
          stop = true;
        }
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
  if (n < 1 || n > 1024) throw ValueError(cat("[set_num_threads] n is ", n, ", expected 1 to 1024"));
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
  const int threads = t_region ? 1 : static_cast<int>(std::min<int64_t>(blocks, num_threads()));
  Region region(blocks, function, context, threads);
  if (threads == 1) {
    region.work(0);
    region.finish();
    return;
  }
#ifdef PYCONV_OPENMP
  if (!g_forked.load(std::memory_order_relaxed)) {
#pragma omp parallel num_threads(threads)
    region.work(omp_get_thread_num());
    region.finish();
    return;
  }
#endif
  pool_run(threads, [](void* r, int thread) { static_cast<Region*>(r)->work(thread); }, &region);
  region.finish();
}

}  // namespace pyconv
