#include "core/thread_pool.h"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace pyconv {
namespace {

class Pool {
 public:
  void run(int threads, ShareFunction function, void* context) {
    std::unique_lock<std::mutex> user(user_mutex_, std::try_to_lock);
    if (!user.owns_lock()) {
      function(context, 0, 1);
      return;
    }
    threads = grow(threads);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      function_ = function;
      context_ = context;
      threads_ = threads;
      left_ = threads - 1;
      ++generation_;
    }
    start_.notify_all();
    function(context, 0, threads);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  // Starts what is missing; returns how many there are to share the work, the caller included.
  int grow(int threads) {
    try {
      while (static_cast<int>(workers_.size()) < threads - 1) {
        const int id = static_cast<int>(workers_.size()) + 1;
        workers_.emplace_back([this, id, seen = generation_] { work(id, seen); });
      }
    } catch (const std::system_error&) {
      // Fewer threads than asked for: slower, not wrong.
    }
    const int have = static_cast<int>(workers_.size()) + 1;
    return have < threads ? have : threads;
  }

  void work(int id, long seen) {
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      start_.wait(lock, [&] { return generation_ != seen; });
      seen = generation_;
      if (id >= threads_) continue;
      const ShareFunction function = function_;
      void* const context = context_;
      const int threads = threads_;
      lock.unlock();
      function(context, id, threads);
      lock.lock();
      if (--left_ == 0) done_.notify_one();
    }
  }

  std::mutex user_mutex_, mutex_;
  std::condition_variable start_, done_;
  std::vector<std::thread> workers_;
  ShareFunction function_ = nullptr;
  void* context_ = nullptr;
  int threads_ = 0, left_ = 0;
  long generation_ = 0;
};

// Never destroyed: its threads wait for work until the process ends.
Pool* g_pool = nullptr;
std::once_flag* g_once = new std::once_flag;

}  // namespace

void pool_run(int threads, ShareFunction function, void* context) {
  std::call_once(*g_once, [] { g_pool = new Pool; });
  g_pool->run(threads, function, context);
}

void abandon_pool() {
  g_pool = nullptr;
  g_once = new std::once_flag;
}

}  // namespace pyconv
