#include "core/heap.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <new>

namespace pyconv {
namespace {

constexpr int64_t kHuge = int64_t{2} << 20;
constexpr int64_t kChunk = int64_t{64} << 20;  // addresses are asked for in multiples of this

int64_t rounded(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

char* map(void* hint, int64_t bytes) {
  void* const p =
      mmap(hint, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<char*>(p);
}

void unmap(char* p, int64_t bytes) {
  if (bytes > 0) munmap(p, static_cast<size_t>(bytes));
}

void ask_for_huge_pages(char* p, int64_t bytes) { madvise(p, static_cast<size_t>(bytes), MADV_HUGEPAGE); }

// A mapping that starts on a huge page: one more is mapped, and both ends cut.
char* map_aligned(int64_t bytes) {
  char* const raw = map(nullptr, bytes + kHuge);
  if (!raw) return nullptr;
  const int64_t before = rounded(reinterpret_cast<intptr_t>(raw), kHuge) - reinterpret_cast<intptr_t>(raw);
  unmap(raw, before);
  unmap(raw + before + bytes, kHuge - before);
  ask_for_huge_pages(raw + before, bytes);
  return raw + before;
}

}  // namespace

void* Heap::take(int64_t bytes) {
  const auto fit = by_size_.lower_bound({bytes, nullptr});
  if (fit == by_size_.end()) return grow(bytes);
  char* const block = fit->second;
  auto size = by_size_.extract(fit);
  auto address = by_address_.extract(block);
  Free& free = address.mapped();
  const int64_t held = std::min(free.held, bytes);
  held_ -= held;
  free.held -= held;
  free.size -= bytes;
  if (free.size > 0) {  // the rest, in the same two entries
    address.key() = block + bytes;
    size.value() = {free.size, block + bytes};
    by_address_.insert(std::move(address));
    by_size_.insert(std::move(size));
  }
  return block;
}

void Heap::give(void* block, int64_t bytes, int64_t cap) noexcept {
  const bool keep = held_ + bytes <= cap;
  if (!keep) madvise(block, static_cast<size_t>(bytes), MADV_DONTNEED);
  try {
    insert(static_cast<char*>(block), {bytes, keep ? bytes : 0});
  } catch (const std::bad_alloc&) {
    // No memory for the entry: the addresses are lost.
    if (keep) madvise(block, static_cast<size_t>(bytes), MADV_DONTNEED);
  }
}

void Heap::insert(char* block, Free free) {
  const auto size = by_size_.emplace(free.size, block).first;
  ByAddress::iterator here;
  try {
    here = by_address_.emplace(block, free).first;
  } catch (const std::bad_alloc&) {
    by_size_.erase(size);
    throw;
  }
  held_ += free.held;
  if (const auto next = std::next(here); next != by_address_.end() && block + free.size == next->first)
    join(here, next);
  if (here != by_address_.begin()) {
    const auto before = std::prev(here);
    if (before->first + before->second.size == block) join(before, here);
  }
}

// The second block becomes part of the first, its neighbour.
void Heap::join(ByAddress::iterator first, ByAddress::iterator second) noexcept {
  by_size_.erase({second->second.size, second->first});
  auto size = by_size_.extract({first->second.size, first->first});
  first->second.size += second->second.size;
  first->second.held += second->second.held;
  size.value().first = first->second.size;
  by_size_.insert(std::move(size));
  by_address_.erase(second);
}

// No free block fits: one that borders on what is fresh is made longer, so that no hole stays there.
void* Heap::grow(int64_t bytes) {
  const auto border = by_address_.find(fresh_);
  int64_t have = border == by_address_.end() ? 0 : border->second.size;
  if (fresh_ - low_ < bytes - have && !extend(bytes - have - (fresh_ - low_))) {
    int64_t length = rounded(bytes, kChunk);
    char* region = map_aligned(length);
    if (!region) region = map_aligned(length = rounded(bytes, kHuge));
    if (!region) throw std::bad_alloc();
    if (fresh_ > low_) insert(low_, {fresh_ - low_, 0});
    low_ = region;
    fresh_ = region + length;
    have = 0;
  }
  if (have > 0) {
    held_ -= border->second.held;
    by_size_.erase({have, border->first});
    by_address_.erase(border);
  }
  fresh_ -= bytes - have;
  return fresh_;
}

// More addresses right below the fresh ones, where they are free.
bool Heap::extend(int64_t bytes) {
  const int64_t length = rounded(bytes, kChunk);
  if (!low_ || reinterpret_cast<intptr_t>(low_) <= length) return false;
  char* const wanted = low_ - length;
  char* const got = map(wanted, length);
  if (got != wanted) {
    if (got) unmap(got, length);
    return false;
  }
  ask_for_huge_pages(got, length);
  low_ = got;
  return true;
}

void Heap::release() noexcept {
  for (auto& [block, free] : by_address_) {
    if (free.held > 0) madvise(block, static_cast<size_t>(free.size), MADV_DONTNEED);
    free.held = 0;
  }
  held_ = 0;
}

}  // namespace pyconv
