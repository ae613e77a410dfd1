#include "core/arena.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "core/heap.h"

namespace pyconv {
namespace {

constexpr int64_t kAlign = 64;
constexpr int64_t kSmallLimit = int64_t{128} << 10;  // above: cut to size by the heap
constexpr int64_t kSlab = int64_t{2} << 20;          // small blocks are cut from slabs of this size
constexpr int kClasses = 4 * 12;

// Size classes of small blocks: powers of two in quarter steps, so at most a fifth of a block is unused.
int64_t class_size(int cls) {
  const int64_t base = int64_t{64} << (cls / 4);
  return base + base / 4 * (cls % 4);
}
int size_class(int64_t bytes) {
  int cls = 0;
  if (bytes > 64) cls = std::max(0, (63 - __builtin_clzll(static_cast<uint64_t>(bytes)) - 6) * 4);
  while (class_size(cls) < bytes) ++cls;
  return cls;
}
int64_t rounded(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

struct Arena {
  std::mutex mutex;
  std::vector<void*> free_blocks[kClasses];
  char* slab = nullptr;
  int64_t slab_left = 0;
  Heap heap;
  int64_t cached_small = 0;
  int64_t cap = 0;
  int64_t current = 0, peak = 0;
  std::atomic<int64_t> copies{0}, copied_bytes{0};
  std::atomic<bool> poison{false};

  Arena() {
    const int64_t physical = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
    cap = std::max(physical / 4, int64_t{256} << 20);
    const char* env = std::getenv("PYCONV_POISON");
    poison = env && std::strcmp(env, "1") == 0;
  }
};

// Never destroyed: numpy may return memory after static destructors have run.
Arena& arena() {
  static Arena* instance = [] {
    static Arena* a = new Arena();
    // The lock is held across fork, so that the child never inherits it locked by a lost thread.
    pthread_atfork([] { a->mutex.lock(); }, [] { a->mutex.unlock(); }, [] { a->mutex.unlock(); });
    return a;
  }();
  return *instance;
}

#ifdef PYCONV_SANITIZE
constexpr bool kPlainMalloc = true;  // so that the sanitizer sees every block's bounds
#else
constexpr bool kPlainMalloc = false;
#endif

// What is handed out for that many bytes.
struct Block {
  int64_t size;
  int cls;  // of a small one, else -1

  explicit Block(int64_t bytes) {
    bytes = std::max<int64_t>(bytes, 1);
    cls = bytes <= kSmallLimit ? size_class(bytes) : -1;
    size = cls < 0 ? rounded(bytes, Heap::kPage) : rounded(class_size(cls), kAlign);
  }
};

void* take(Arena& a, const Block& block) {
  if (block.cls < 0) return a.heap.take(block.size);
  std::vector<void*>& list = a.free_blocks[block.cls];
  if (!list.empty()) {
    void* p = list.back();
    list.pop_back();
    a.cached_small -= block.size;
    return p;
  }
  if (a.slab_left < block.size) {
    a.slab = static_cast<char*>(a.heap.take(kSlab));
    a.slab_left = kSlab;
  }
  void* p = a.slab;
  a.slab += block.size;
  a.slab_left -= block.size;
  return p;
}

}  // namespace

void* arena_allocate(int64_t bytes) {
  if (bytes < 0 || bytes > int64_t{1} << 47) throw std::bad_alloc();
  Arena& a = arena();
  const Block block(bytes);
  std::lock_guard<std::mutex> lock(a.mutex);
  void* p;
  if (kPlainMalloc) {
    p = std::aligned_alloc(kAlign, static_cast<size_t>(rounded(std::max<int64_t>(bytes, 1), kAlign)));
    if (!p) throw std::bad_alloc();
  } else {
    p = take(a, block);
  }
  a.current += block.size;
  a.peak = std::max(a.peak, a.current);
  return p;
}

void arena_free(void* pointer, int64_t bytes) noexcept {
  if (!pointer) return;
  Arena& a = arena();
  const Block block(bytes);
  std::lock_guard<std::mutex> lock(a.mutex);
  a.current -= block.size;
  if (kPlainMalloc) {
    std::free(pointer);
    return;
  }
  if (block.cls < 0) return a.heap.give(pointer, block.size, a.cap);
  try {
    a.free_blocks[block.cls].push_back(pointer);
    a.cached_small += block.size;
  } catch (const std::bad_alloc&) {
    // No memory for the entry: a small block is lost with its slab.
  }
}

void arena_trim() {
  Arena& a = arena();
  std::lock_guard<std::mutex> lock(a.mutex);
  a.heap.release();
}

MemoryStats memory_stats() {
  Arena& a = arena();
  std::lock_guard<std::mutex> lock(a.mutex);
  return {a.current, a.peak, a.heap.free_bytes() + a.cached_small, a.copies.load(), a.copied_bytes.load()};
}

void reset_peak() {
  Arena& a = arena();
  std::lock_guard<std::mutex> lock(a.mutex);
  a.peak = a.current;
}

void count_copy(int64_t bytes) {
  arena().copies.fetch_add(1, std::memory_order_relaxed);
  arena().copied_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

bool poison() { return arena().poison.load(std::memory_order_relaxed); }
void set_poison(bool on) { arena().poison.store(on); }
void poison_output(void* pointer, int64_t bytes) {
  if (poison()) std::memset(pointer, 0xFF, static_cast<size_t>(bytes));
}
void* scratch_allocate(int64_t bytes) {
  void* p = arena_allocate(bytes);
  if (poison()) std::memset(p, 0xA5, static_cast<size_t>(bytes));
  return p;
}

}  // namespace pyconv
