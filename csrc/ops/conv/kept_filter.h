// Filters in the form that a kernel reads: packed, or transformed. While a network trains its weights change
// with every step, and each call makes the form anew, in scratch memory. A KeptFilter is for inference: it
// owns a copy of the weight, which nobody can change, and so may keep the forms made of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/arena.h"
#include "core/dims.h"
#include "ops/conv/plan.h"
#include "ops/conv/row_problem.h"

namespace pyconv {

class KeptFilter {
 public:
  using Key = std::vector<int64_t>;

  KeptFilter(const float* weight, const Dims& shape);
  const float* weight() const { return weight_.data(); }
  const Dims& shape() const { return shape_; }
  int64_t bytes() const;  // of the copy and of all forms

  const float* find(const Key& key) const;  // null: nobody has made it yet
  // Keeps `form`, unless another thread was quicker, and gives what is kept.
  const float* keep(const Key& key, std::unique_ptr<Scratch<float>> form, int64_t floats);

 private:
  mutable std::mutex mutex_;
  Dims shape_;
  std::vector<float> weight_;
  int64_t bytes_;
  std::map<Key, std::unique_ptr<Scratch<float>>> forms_;
};

// What the form of a filter depends on besides the weight: the taps that a problem takes of it, and in which
// order and width a kernel reads them. Input sizes are not among it: there are a handful of forms at most.
KeptFilter::Key filter_form(const RowProblem& problem, const ConvPlan& plan);

// A form for the length of a call: found in `kept`, made and left there, or (null) made for this call alone.
class FilterForm {
 public:
  template <class Make>
  FilterForm(KeptFilter* kept, const KeptFilter::Key& key, int64_t floats, Make&& make) {
    data_ = kept ? kept->find(key) : nullptr;
    if (data_) return;
    own_ = std::make_unique<Scratch<float>>(floats);
    make(own_->data());
    data_ = kept ? kept->keep(key, std::move(own_), floats) : own_->data();
  }
  const float* data() const { return data_; }

 private:
  std::unique_ptr<Scratch<float>> own_;
  const float* data_;
};

}  // namespace pyconv
