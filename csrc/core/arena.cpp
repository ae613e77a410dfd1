#include "core/arena.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

namespace pyconv {
namespace {

constexpr int64_t kAlign = 64;
constexpr int64_t kHuge = int64_t{2} << 20;
constexpr int64_t kSmallLimit = int64_t{512} << 10;  // above: a mapping of its own
constexpr int64_t kSlab = int64_t{8} << 20;          // small blocks are cut from slabs of this size
constexpr int kClasses = 4 * 48;

// Size classes: powers of two in quarter steps, so at most a fifth of a block is unused.
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
int64_t rounded(int cls) {
  const int64_t size = class_size(cls);
  return size <= kSmallLimit ? (size + kAlign - 1) / kAlign * kAlign : (size + kHuge - 1) / kHuge * kHuge;
}

void* map_huge(int64_t bytes) {
  // Over-map by one huge page and cut both ends, so that the block starts on a huge-page boundary.
  const size_t total = static_cast<size_t>(bytes + kHuge);
  void* raw = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const uintptr_t start = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = (start + kHuge - 1) / kHuge * kHuge;
  if (aligned > start) munmap(raw, aligned - start);
  const uintptr_t end = aligned + static_cast<uintptr_t>(bytes);
  if (start + total > end) munmap(reinterpret_cast<void*>(end), start + total - end);
  madvise(reinterpret_cast<void*>(aligned), static_cast<size_t>(bytes), MADV_HUGEPAGE);
  return reinterpret_cast<void*>(aligned);
}

struct Arena {
  std::mutex mutex;
  std::vector<void*> free_blocks[kClasses];
  char* slab = nullptr;
  int64_t slab_left = 0;
  int64_t cached_large = 0, cached_small = 0;
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

void* take(Arena& a, int cls, int64_t size) {
  std::vector<void*>& list = a.free_blocks[cls];
  if (!list.empty()) {
    void* p = list.back();
    list.pop_back();
    (size > kSmallLimit ? a.cached_large : a.cached_small) -= size;
    return p;
  }
  if (size > kSmallLimit) return map_huge(size);
  if (a.slab_left < size) {
    a.slab = static_cast<char*>(map_huge(kSlab));
    a.slab_left = kSlab;
  }
  void* p = a.slab;
  a.slab += size;
  a.slab_left -= size;
  return p;
}

}  // namespace

void* arena_allocate(int64_t bytes) {
  if (bytes < 0 || bytes > int64_t{1} << 47) throw std::bad_alloc();
  Arena& a = arena();
  const int cls = size_class(std::max<int64_t>(bytes, 1));
  const int64_t size = rounded(cls);
  std::lock_guard<std::mutex> lock(a.mutex);
  void* p;
  if (kPlainMalloc) {
    p = std::aligned_alloc(kAlign,
                           static_cast<size_t>((std::max<int64_t>(bytes, 1) + kAlign - 1) / kAlign * kAlign));
    if (!p) throw std::bad_alloc();
  } else {
    p = take(a, cls, size);
  }
  a.current += size;
  a.peak = std::max(a.peak, a.current);
  return p;
}

void arena_free(void* pointer, int64_t bytes) noexcept {
  if (!pointer) return;
  Arena& a = arena();
  const int cls = size_class(std::max<int64_t>(bytes, 1));
  const int64_t size = rounded(cls);
  std::lock_guard<std::mutex> lock(a.mutex);
  a.current -= size;
  if (kPlainMalloc) {
    std::free(pointer);
    return;
  }
  const bool large = size > kSmallLimit;
  if (large && a.cached_large + size > a.cap) {
    munmap(pointer, static_cast<size_t>(size));
    return;
  }
  try {
    a.free_blocks[cls].push_back(pointer);
    (large ? a.cached_large : a.cached_small) += size;
  } catch (const std::bad_alloc&) {
    if (large) munmap(pointer, static_cast<size_t>(size));  // a small block is lost with its slab
  }
}

void arena_trim() {
  Arena& a = arena();
  std::lock_guard<std::mutex> lock(a.mutex);
  for (int cls = 0; cls < kClasses; ++cls) {
    const int64_t size = rounded(cls);
    if (size <= kSmallLimit) continue;
    for (void* p : a.free_blocks[cls]) munmap(p, static_cast<size_t>(size));
    a.free_blocks[cls].clear();
  }
  a.cached_large = 0;
}

MemoryStats memory_stats() {
  Arena& a = arena();
  std::lock_guard<std::mutex> lock(a.mutex);
  return {a.current, a.peak, a.cached_large + a.cached_small, a.copies.load(), a.copied_bytes.load()};
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
