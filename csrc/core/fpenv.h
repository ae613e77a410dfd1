// Denormal numbers slow some processors down a hundredfold; inside our work they count as zero.
#pragma once

namespace pyconv {

// Sets flush-to-zero and denormals-are-zero on this thread; the destructor restores what was there.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned saved_;
};

}  // namespace pyconv
