// Tests of csrc/core that need C++: what happens inside parallel regions, on every thread, after a fork.
// Prints the name of each test; exit status 1 and a line on stderr for the first thing that is wrong.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "core/arena.h"
#include "core/error.h"
#include "core/fpenv.h"
#include "core/heap.h"
#include "core/parallel.h"
#include "core/shape.h"

namespace {

using namespace pyconv;

void check(bool condition, const char* text, int line) {
  if (condition) return;
  std::fprintf(stderr, "core_test.cpp:%d: not true: %s\n", line, text);
  std::_Exit(1);
}
// A macro for the text and the line only.
#define CHECK(condition) check(condition, #condition, __LINE__)

template <class Exception, class F>
bool throws(F&& f) {
  try {
    f();
  } catch (const Exception&) {
    return true;
  }
  return false;
}

double work(int64_t n) {
  volatile double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum = sum + std::sqrt(static_cast<double>(i));
  return sum;
}

void every_block_runs_once() {
  for (int threads : {1, 2, 3, 4, 7, 64}) {
    set_num_threads(threads);
    for (int64_t blocks : {0, 1, 2, 5, 7, 100}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(blocks));
      parallel_for(blocks, [&](int64_t b) { runs[static_cast<size_t>(b)].fetch_add(1); });
      for (const std::atomic<int>& n : runs) CHECK(n == 1);
    }
  }
}

// Each block waits for the others, so that no thread can run two of them.
void several_threads_take_part() {
  set_num_threads(4);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  parallel_for(4, [&](int64_t) {
    for (size_t met = 0; met < 4 && std::chrono::steady_clock::now() < end; std::this_thread::yield()) {
      const std::lock_guard<std::mutex> lock(mutex);
      ids.insert(std::this_thread::get_id());
      met = ids.size();
    }
  });
  CHECK(ids.size() == 4);
}

void nested_regions_run_serially() {
  set_num_threads(4);
  std::atomic<int> total{0}, foreign{0};
  parallel_for(4, [&](int64_t) {
    CHECK(in_parallel());
    const std::thread::id me = std::this_thread::get_id();
    parallel_for(10, [&](int64_t) {
      ++total;
      if (std::this_thread::get_id() != me) ++foreign;
    });
  });
  CHECK(total == 40);
  CHECK(foreign == 0);
  CHECK(!in_parallel());
}

void an_exception_reaches_the_caller() {
  for (int threads : {1, 2, 4}) {
    set_num_threads(threads);
    for (int64_t bad : {0, 50, 99}) {
      CHECK(throws<IndexError>([&] {
        parallel_for(100, [&](int64_t b) {
          if (b == bad) throw IndexError("label 7");
        });
      }));
      CHECK(!in_parallel());
      std::atomic<int> runs{0};
      parallel_for(100, [&](int64_t) { ++runs; });
      CHECK(runs == 100);
    }
    CHECK(throws<IndexError>([] { parallel_for(64, [](int64_t) { throw IndexError("all of them"); }); }));
  }
}

void an_exception_stops_the_rest() {
  set_num_threads(2);
  std::atomic<int> runs{0};
  CHECK(throws<ValueError>([&] {
    parallel_for(100000, [&](int64_t b) {
      ++runs;
      if (b == 0) throw ValueError("first block");
      work(1000);
    });
  }));
  CHECK(runs < 100000);
}

std::atomic<int> g_asked{0};

void the_interrupt_callback_stops_the_work() {
  set_num_threads(2);
  set_interrupt_callback([] { return ++g_asked >= 3; });
  const auto start = std::chrono::steady_clock::now();
  CHECK(throws<Interrupted>([] { parallel_for(1000000, [](int64_t) { work(20000); }); }));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  g_asked = 100;
  std::this_thread::sleep_for(std::chrono::milliseconds(25));
  CHECK(throws<Interrupted>([] { poll_interrupt(); }));
  set_interrupt_callback(nullptr);
  parallel_for(100, [](int64_t) { work(1000); });
}

// A sum whose value depends on the order of its terms: equal bits mean equal order.
double ordered_sum() {
  return reduce_ordered<double>(
      37, [](int64_t chunk, double& partial) { partial = std::pow(-1.7, static_cast<double>(chunk)) * 1e-3; },
      [](double& into, double partial) { into += partial; });
}

void reductions_have_one_order() {
  set_num_threads(1);
  const double expected = ordered_sum();
  for (int threads : {2, 3, 4, 7}) {
    set_num_threads(threads);
    for (int repeat = 0; repeat < 20; ++repeat) CHECK(ordered_sum() == expected);
  }
}

void denormals_are_flushed_on_every_thread_and_only_inside() {
  volatile float tiny = std::numeric_limits<float>::min();
  CHECK(tiny / 2 != 0);
  for (int threads : {1, 4}) {
    set_num_threads(threads);
    std::atomic<int> kept{0};
    parallel_for(8, [&](int64_t) {
      volatile float t = std::numeric_limits<float>::min();
      if (t / 2 != 0) ++kept;
    });
    CHECK(kept == 0);
    CHECK(tiny / 2 != 0);
    CHECK(throws<ValueError>([] { parallel_for(8, [](int64_t) { throw ValueError("x"); }); }));
    CHECK(tiny / 2 != 0);
  }
}

void callers_on_many_threads_do_not_disturb_each_other() {
  set_num_threads(3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int c = 0; c < 6; ++c)
    callers.emplace_back([&wrong] {
      for (int repeat = 0; repeat < 50; ++repeat) {
        std::vector<int> out(101, 0);
        parallel_for(101, [&](int64_t b) { out[static_cast<size_t>(b)] += static_cast<int>(b); });
        for (int i = 0; i < 101; ++i)
          if (out[static_cast<size_t>(i)] != i) ++wrong;
      }
    });
  for (std::thread& t : callers) t.join();
  CHECK(wrong == 0);
}

void a_forked_child_can_use_threads() {
  set_num_threads(4);
  parallel_for(100, [](int64_t) { work(100); });
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // a deadlock ends with a signal
    std::atomic<int> runs{0};
    for (int repeat = 0; repeat < 10; ++repeat) parallel_for(100, [&](int64_t) { ++runs; });
    std::_Exit(runs == 1000 && std::strcmp(threading_backend(), "std") == 0 ? 0 : 3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  parallel_for(100, [](int64_t) { work(100); });
}

void thread_counts_are_checked() {
  for (int n : {0, -1, 1025, std::numeric_limits<int>::max()})
    CHECK(throws<ValueError>([n] { set_num_threads(n); }));
}

void arena_blocks_are_aligned_disjoint_and_reused() {
  std::vector<std::pair<char*, int64_t>> blocks;
  for (int64_t bytes : {0, 1, 63, 64, 65, 1000, 4096, 100000, 600000, 3000000, 9000000})
    for (int i = 0; i < 3; ++i) {
      char* p = static_cast<char*>(arena_allocate(bytes));
      CHECK(reinterpret_cast<uintptr_t>(p) % 64 == 0);
      std::memset(p, 17 * static_cast<int>(blocks.size() % 15), static_cast<size_t>(bytes));
      blocks.emplace_back(p, bytes);
    }
  for (size_t i = 0; i < blocks.size(); ++i)
    for (int64_t j = 0; j < blocks[i].second; ++j)
      CHECK(blocks[i].first[j] == static_cast<char>(17 * (i % 15)));
  const int64_t peak = memory_stats().peak_bytes;
  for (auto& [p, bytes] : blocks) arena_free(p, bytes);
  CHECK(memory_stats().current_bytes == 0);
  for (auto& [p, bytes] : blocks) p = static_cast<char*>(arena_allocate(bytes));
  CHECK(memory_stats().peak_bytes == peak);
  for (auto& [p, bytes] : blocks) arena_free(p, bytes);
  arena_trim();
  reset_peak();
  CHECK(memory_stats().peak_bytes == 0);
  CHECK(throws<std::bad_alloc>([] { arena_allocate(-1); }));
  CHECK(throws<std::bad_alloc>([] { arena_allocate(std::numeric_limits<int64_t>::max()); }));
}

// A page for each number; what is handed out carries its owner's mark from the first byte to the last.
void the_heap_cuts_and_joins() {
  constexpr int64_t kPage = Heap::kPage, kMany = int64_t{1} << 40;
  Heap heap;
  std::vector<char*> three;
  for (int i = 0; i < 3; ++i) three.push_back(static_cast<char*>(heap.take(64 * kPage)));
  char* const first = *std::min_element(three.begin(), three.end());
  for (int i : {0, 2, 1}) heap.give(three[static_cast<size_t>(i)], 64 * kPage, kMany);
  CHECK(heap.free_bytes() == 192 * kPage);
  CHECK(heap.take(192 * kPage) == first);  // the three have become one
  heap.give(first, 192 * kPage, 0);        // too many: no pages are kept, the addresses are
  CHECK(heap.free_bytes() == 0);
  CHECK(heap.take(64 * kPage) == first);
  heap.give(first, 64 * kPage, kMany);

  std::vector<std::pair<char*, int64_t>> held;
  uint64_t state = 7;
  int64_t most = 0, bytes = 0;
  for (int i = 0; i < 20000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const size_t draw = static_cast<size_t>(state >> 33);
    if (held.size() < 100 || draw % 2) {
      const int64_t size = static_cast<int64_t>(1 + draw / 2 % (draw % 7 ? 20 : 500)) * kPage;
      char* const p = static_cast<char*>(heap.take(size));
      std::memcpy(p, &size, sizeof(size));
      std::memcpy(p + size - sizeof(size), &size, sizeof(size));
      held.emplace_back(p, size);
      most = std::max(most, bytes += size);
    }
    if (held.size() > 150 || !(draw % 2)) {
      std::swap(held[draw / 2 % held.size()], held.back());
      auto [p, size] = held.back();
      held.pop_back();
      CHECK(std::memcmp(p, &size, sizeof(size)) == 0 &&
            std::memcmp(p + size - sizeof(size), &size, sizeof(size)) == 0);
      heap.give(p, size, kMany);
      bytes -= size;
    }
  }
  CHECK(heap.free_bytes() + bytes < most + most / 2);  // what holes cost
  for (auto& [p, size] : held) heap.give(p, size, kMany);
  heap.release();
  CHECK(heap.free_bytes() == 0);
  CHECK(throws<std::bad_alloc>([&] { heap.take(int64_t{1} << 50); }));
}

void the_arena_serves_many_threads() {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t, &wrong] {
      for (int64_t i = 0; i < 2000; ++i) {
        const int64_t bytes = 1 + (i * 7919 + t * 104729) % 200000;
        char* p = static_cast<char*>(arena_allocate(bytes));
        p[0] = p[bytes - 1] = static_cast<char>(t);
        std::this_thread::yield();
        if (p[0] != t || p[bytes - 1] != t) ++wrong;
        arena_free(p, bytes);
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
  CHECK(memory_stats().current_bytes == 0);
}

void poison_fills_scratch() {
  const bool before = poison();
  set_poison(true);
  {
    Scratch<unsigned char> scratch(1000);
    for (int i = 0; i < 1000; ++i) CHECK(scratch[i] == 0xA5);
  }
  set_poison(before);
}

void sizes_cannot_wrap() {
  const int64_t big = int64_t{1} << 62;
  CHECK(throws<ShapeError>([&] { checked_mul(big, 2, "test"); }));
  CHECK(throws<ShapeError>([&] { checked_add(big, big, "test"); }));
  CHECK(throws<ShapeError>([&] { element_count({big, 4}, "test"); }));
  CHECK(throws<ShapeError>([&] { element_count({-1, 4}, "test"); }));
  CHECK(element_count({0, 5}, "test") == 0);
  CHECK(throws<ValueError>([&] {
          make_conv_shape("test", {1, 3, 8, 8}, {4, 3, 3, 3}, {1, 1}, Padding::kExplicit, {big, big, 0, 0},
                          {1, 1}, 1);
        }) ||
        throws<ShapeError>([&] {
          make_conv_shape("test", {1, 3, 8, 8}, {4, 3, 3, 3}, {1, 1}, Padding::kExplicit, {big, big, 0, 0},
                          {1, 1}, 1);
        }));
}

struct Test {
  const char* name;
  void (*run)();
};

const Test kTests[] = {
    {"every_block_runs_once", every_block_runs_once},
    {"several_threads_take_part", several_threads_take_part},
    {"nested_regions_run_serially", nested_regions_run_serially},
    {"an_exception_reaches_the_caller", an_exception_reaches_the_caller},
    {"an_exception_stops_the_rest", an_exception_stops_the_rest},
    {"the_interrupt_callback_stops_the_work", the_interrupt_callback_stops_the_work},
    {"reductions_have_one_order", reductions_have_one_order},
    {"denormals_are_flushed_on_every_thread_and_only_inside",
     denormals_are_flushed_on_every_thread_and_only_inside},
    {"callers_on_many_threads_do_not_disturb_each_other", callers_on_many_threads_do_not_disturb_each_other},
    {"a_forked_child_can_use_threads", a_forked_child_can_use_threads},
    {"thread_counts_are_checked", thread_counts_are_checked},
    {"arena_blocks_are_aligned_disjoint_and_reused", arena_blocks_are_aligned_disjoint_and_reused},
    {"the_heap_cuts_and_joins", the_heap_cuts_and_joins},
    {"the_arena_serves_many_threads", the_arena_serves_many_threads},
    {"poison_fills_scratch", poison_fills_scratch},
    {"sizes_cannot_wrap", sizes_cannot_wrap},
};

}  // namespace

// With a name: that test. Without: the names.
int main(int argc, char** argv) {
  for (const Test& test : kTests) {
    if (argc < 2) std::printf("%s\n", test.name);
    if (argc > 1 && std::strcmp(argv[1], test.name) == 0) {
      test.run();
      return 0;
    }
  }
  return argc < 2 ? 0 : 2;
}
