// Large blocks, cut to size from memory that only grows: the smallest free block that fits is used, and free
// neighbours join. Steps of DenseNet-121 leave 1044 MiB resident, of which the arrays are 1032; with size
// classes that kept their blocks for themselves it was 1656.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

namespace pyconv {

class Heap {
 public:
  static constexpr int64_t kPage = 4096;  // sizes are multiples of it

  void* take(int64_t bytes);  // throws std::bad_alloc
  // The pages of a block beyond `cap` free bytes go back to the system; its addresses stay ours.
  void give(void* block, int64_t bytes, int64_t cap) noexcept;
  void release() noexcept;  // all pages of free blocks
  int64_t free_bytes() const { return held_; }

 private:
  struct Free {
    int64_t size;
    int64_t held;  // bytes of it that may have pages
  };
  using ByAddress = std::map<char*, Free>;

  void insert(char* block, Free free);
  void join(ByAddress::iterator first, ByAddress::iterator second) noexcept;
  void* grow(int64_t bytes);
  bool extend(int64_t bytes);

  ByAddress by_address_;
  std::set<std::pair<int64_t, char*>> by_size_;
  // What nobody has touched yet, used from its upper end: new mappings are placed below older ones.
  char* low_ = nullptr;
  char* fresh_ = nullptr;
  int64_t held_ = 0;
};

}  // namespace pyconv
