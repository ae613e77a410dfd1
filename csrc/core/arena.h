// The arena: a caching allocator for outputs and scratch. A fresh 4 KiB page costs about as much time
// as a layer's arithmetic on it, so memory is kept, in huge pages where the system grants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace pyconv {

struct MemoryStats {
  int64_t current_bytes;  // handed out now
  int64_t peak_bytes;     // the most handed out at once since reset_peak()
  int64_t cached_bytes;   // kept for reuse
  int64_t copies;         // conversions of memory order or alignment since start
  int64_t copied_bytes;
};

// 64-byte aligned memory; throws std::bad_alloc. A size of 0 gives a valid pointer.
void* arena_allocate(int64_t bytes);
void arena_free(void* pointer, int64_t bytes) noexcept;  // the size asked for
void arena_trim();                                       // gives cached memory back to the system
MemoryStats memory_stats();
void reset_peak();
void count_copy(int64_t bytes);

// PYCONV_POISON=1: fresh outputs hold NaN (0xFF bytes) and scratch 0xA5, so that a forgotten write shows.
bool poison();
void set_poison(bool on);
void poison_output(void* pointer, int64_t bytes);

// Scratch memory for the length of a scope.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t count)
      : bytes_(count * static_cast<int64_t>(sizeof(T))), data_(static_cast<T*>(allocate(bytes_))) {}
  ~Scratch() { arena_free(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* data() { return data_; }
  T& operator[](int64_t i) { return data_[i]; }
  operator T*() { return data_; }

 private:
  static void* allocate(int64_t bytes);
  int64_t bytes_;
  T* data_;
};

void* scratch_allocate(int64_t bytes);  // arena_allocate plus scratch poison

template <class T>
void* Scratch<T>::allocate(int64_t bytes) {
  return scratch_allocate(bytes);
}

}  // namespace pyconv
