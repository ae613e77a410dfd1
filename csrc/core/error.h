// Exceptions of the core, and the one way to write their text.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace pyconv {

// Shapes that do not fit each other: pyconv.errors.ShapeError (a ValueError and a RuntimeError).
struct ShapeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Wrong element type: TypeError.
struct DTypeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// A label or an index out of range: IndexError.
struct IndexError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Any other unusable argument: ValueError.
struct ValueError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// The interrupt callback asked to stop (Ctrl-C); its Python error is already set.
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

// Concatenates its arguments as text: cat("[conv2d] stride is ", s, ", expected at least 1").
template <class... Args>
std::string cat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

}  // namespace pyconv
