#include "kernels/select.h"

#include <atomic>
#include <cstdlib>

#include "core/error.h"

#ifdef PYCONV_X86
#include <cpuid.h>
#endif

namespace pyconv {

extern const KernelTable kTable_scalar;
#ifdef PYCONV_X86
extern const KernelTable kTable_avx2;
extern const KernelTable kTable_avx512;
#endif

namespace {

std::atomic<const KernelTable*> g_active{nullptr};

#ifdef PYCONV_X86
struct Features {
  bool avx2 = false, avx512 = false;
};

// A processor may have registers that the operating system does not save: XCR0 tells.
Features detect() {
  Features f;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
  const bool fma = c & bit_FMA, xsave = c & bit_OSXSAVE, avx = c & bit_AVX;
  if (!xsave || !avx) return f;
  unsigned xcr0, xcr0_high;
  __asm__("xgetbv" : "=a"(xcr0), "=d"(xcr0_high) : "c"(0));
  const bool os_ymm = (xcr0 & 0x6) == 0x6, os_zmm = (xcr0 & 0xe6) == 0xe6;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
  f.avx2 = fma && (b & bit_AVX2) && os_ymm;
  const unsigned needed = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  f.avx512 = f.avx2 && (b & needed) == needed && os_zmm;
  return f;
}
#endif

std::vector<const KernelTable*> tables() {
  std::vector<const KernelTable*> list{&kTable_scalar};
#ifdef PYCONV_X86
  const Features f = detect();
  if (f.avx2) list.push_back(&kTable_avx2);
  if (f.avx512) list.push_back(&kTable_avx512);
#endif
  return list;
}

const KernelTable* find(const std::string& wanted, const char* source) {
  std::string known;
  for (const KernelTable* table : tables()) {
    if (wanted == table->name) return table;
    known += known.empty() ? table->name : std::string(", ") + table->name;
  }
  throw ValueError(cat(source, " is '", wanted, "', expected one of those that this machine runs: ", known));
}

}  // namespace

const KernelTable& kernels() {
  const KernelTable* active = g_active.load(std::memory_order_relaxed);
  if (!active) {
    const char* forced = std::getenv("PYCONV_ISA");
    active = forced && *forced ? find(forced, "[isa] PYCONV_ISA") : tables().back();
    g_active = active;
  }
  return *active;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const KernelTable* table : tables()) names.emplace_back(table->name);
  return names;
}

void use_isa(const std::string& name) { g_active = find(name, "[use_isa] name"); }

}  // namespace pyconv
