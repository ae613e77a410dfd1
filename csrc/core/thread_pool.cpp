#include "core/thread_pool.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace pyconv {
namespace {

// A network's next op usually follows within microseconds, and a sleeping thread is woken late: in tens of
// microseconds at best, and some systems first put it on its waker's processor and spread the two after 15 ms
// (measured: LeNet-5's step 9.6 ms with 50 us of waiting, 5.7 with 2 ms). So a waiting thread looks again for
// this long before it sleeps; after the first microseconds it offers its processor to others at each look.
constexpr std::chrono::microseconds kSpin{50};
constexpr std::chrono::microseconds kYield{2000};

// Whether `done()` came true while looking.
template <class F>
bool spin(F&& done) {
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    const auto waited = std::chrono::steady_clock::now() - start;
    if (waited > kYield) return done();
    if (waited > kSpin) std::this_thread::yield();
  }
}

class Pool {
 public:
  void run(int threads, WorkFunction function, void* context) {
    const std::unique_lock<std::mutex> user(user_mutex_, std::try_to_lock);
    if (!user.owns_lock()) return function(context, 0);
    grow(threads);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      function_ = function;
      context_ = context;
      threads_ = threads;
      generation_.fetch_add(1, std::memory_order_release);
    }
    start_.notify_all();
    function(context, 0);
    {
      // From here on nobody joins; those who did are waited for.
      const std::lock_guard<std::mutex> lock(mutex_);
      threads_ = 0;
    }
    if (spin([this] { return active_.load(std::memory_order_acquire) == 0; })) return;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return active_.load(std::memory_order_acquire) == 0; });
  }

 private:
  void grow(int threads) {
    try {
      while (static_cast<int>(workers_.size()) < threads - 1) {
        const int id = static_cast<int>(workers_.size()) + 1;
        workers_.emplace_back([this, id, seen = generation_.load()] { work(id, seen); });
      }
    } catch (const std::system_error&) {
      // Fewer threads than asked for: slower, not wrong.
    }
  }

  void work(int id, long seen) {
    for (;;) {
      const auto called = [&] { return generation_.load(std::memory_order_acquire) != seen; };
      const bool soon = spin(called);
      std::unique_lock<std::mutex> lock(mutex_);
      if (!soon) start_.wait(lock, called);
      seen = generation_.load(std::memory_order_acquire);
      if (id >= threads_) continue;  // not needed, or too late
      const WorkFunction function = function_;
      void* const context = context_;
      active_.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      function(context, id);
      lock.lock();
      if (active_.fetch_sub(1, std::memory_order_release) == 1) done_.notify_one();
    }
  }

  std::mutex user_mutex_, mutex_;
  std::condition_variable start_, done_;
  std::vector<std::thread> workers_;
  WorkFunction function_ = nullptr;
  void* context_ = nullptr;
  int threads_ = 0;  // that may still join
  std::atomic<int> active_{0};
  std::atomic<long> generation_{0};
};

// Never destroyed: its threads wait for work until the process ends.
Pool* g_pool = nullptr;
std::once_flag* g_once = new std::once_flag;

}  // namespace

void pool_run(int threads, WorkFunction function, void* context) {
  std::call_once(*g_once, [] { g_pool = new Pool; });
  g_pool->run(threads, function, context);
}

void abandon_pool() {
  g_pool = nullptr;
  g_once = new std::once_flag;
}

}  // namespace pyconv
