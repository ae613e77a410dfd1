#include "core/algorithm.h"

#include <atomic>
#include <cstdlib>

#include "core/error.h"

namespace pyconv {
namespace {

constexpr int kUnset = -1;
std::atomic<int> g_choice{kUnset};

AlgorithmChoice parse(const std::string& word, const char* source) {
  for (const AlgorithmChoice choice : {AlgorithmChoice::kAuto, AlgorithmChoice::kDirect})
    if (word == name(choice)) return choice;
  throw ValueError(cat(source, " is '", word, "', expected 'auto' or 'direct'"));
}

}  // namespace

const char* name(AlgorithmChoice choice) { return choice == AlgorithmChoice::kAuto ? "auto" : "direct"; }

AlgorithmChoice algorithm_choice() {
  if (g_choice == kUnset) {
    const char* word = std::getenv("PYCONV_ALGORITHM");
    g_choice = static_cast<int>(word && *word ? parse(word, "[use_algorithm] PYCONV_ALGORITHM")
                                              : AlgorithmChoice::kAuto);
  }
  return static_cast<AlgorithmChoice>(g_choice.load());
}

void use_algorithm(const std::string& word) {
  g_choice = static_cast<int>(parse(word, "[use_algorithm] name"));
}

}  // namespace pyconv
