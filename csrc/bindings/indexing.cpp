// Gathering, scattering, one-hot rows: index arrays are checked before anything is read or written.
#include <pybind11/stl.h>

#include <algorithm>

#include "bindings/arrays.h"
#include "bindings/families.h"
#include "core/checked.h"
#include "core/error.h"
#include "core/iterator.h"
#include "ops/layout.h"

namespace pyconv {
namespace {

// The index arrays (int64, dense, of one shape) of some axes of x, checked and turned into offsets.
struct Index {
  std::vector<py::array> arrays;
  std::vector<int64_t> offsets;
  Dims shape;  // of the index arrays
  View rest;   // x without the indexed axes

  Index(const View& x, const std::vector<int>& axes, std::vector<py::array> given, const char* op)
      : arrays(std::move(given)) {
    if (axes.empty() || axes.size() != arrays.size())
      throw ValueError(cat("[", op, "] got ", arrays.size(), " index arrays for ", axes.size(), " axes"));
    std::vector<const int64_t*> data;
    for (py::array& a : arrays) {
      const View v = view(a, DType::kInt64, op, "index");
      if (!is_dense(v, false)) throw ValueError(cat("[", op, "] index is not dense"));
      if (data.empty()) shape = v.shape;
      else if (v.shape != shape)
        throw ShapeError(cat("[", op, "] index arrays have shapes ", text(shape), " and ", text(v.shape)));
      data.push_back(v.as<int64_t>());
    }
    rest = x;
    rest.shape = rest.strides = Dims();
    for (int axis : axes)
      if (axis < 0 || axis >= x.rank())
        throw IndexError(cat("[", op, "] axis ", axis, " of a tensor of ", x.rank(), " axes"));
    for (int i = 0; i < x.rank(); ++i) {
      if (std::find(axes.begin(), axes.end(), i) != axes.end()) continue;
      rest.shape.push(x.shape[i]);
      rest.strides.push(x.strides[i]);
    }
    const int64_t n = element_count(shape, op);
    py::gil_scoped_release release;
    offsets = index_offsets(x, axes, data, n, op);
  }
};

// The index's axes stand at `position` among the remaining ones.
py::array gather_array(py::array x, const std::vector<int>& axes, std::vector<py::array> indices,
                       int position, bool channels_last) {
  const View from = view(x, "index", "x");
  const Index index(from, axes, std::move(indices), "index");
  const int lead = index.shape.rank, rest = index.rest.rank();
  if (lead + rest > kMaxRank)
    throw ShapeError(cat("[index] the result has ", lead + rest, " axes, expected at most ", kMaxRank));
  if (position < 0 || position > rest)
    throw IndexError(cat("[index] position ", position, " among ", rest, " axes"));
  Dims shape, order;
  for (int i = 0; i < lead; ++i) order.push(position + i);
  for (int i = 0; i < lead + rest; ++i) {
    const bool indexed = i >= position && i < position + lead;
    if (!indexed) order.push(i);
    shape.push(indexed ? index.shape[i - position] : index.rest.shape[i < position ? i : i - lead]);
  }
  py::array out = new_array(from.dtype, shape, channels_last);
  const View to = permute(writable(out), order);
  py::gil_scoped_release release;
  gather(index.rest, index.offsets, lead, to);
  return out;
}

// `values` broadcasts to the index's axes followed by the remaining ones.
void scatter_array(py::array x, const std::vector<int>& axes, std::vector<py::array> indices,
                   py::array values, bool accumulate) {
  const char* op = accumulate ? "index_add" : "index_put";
  const DType type = dtype_of(x, op, "x");
  if (x.ndim() > kMaxRank)
    throw ShapeError(cat("[", op, "] x has ", x.ndim(), " axes, expected at most ", kMaxRank));
  Dims own;
  for (py::ssize_t i = 0; i < x.ndim(); ++i) own.push(x.shape(i));
  const View to = output_view(x, type, own, op, "x");
  if (overlaps_itself(to)) throw ValueError(cat("[", op, "] x has elements that share memory"));
  const Index index(to, axes, std::move(indices), op);
  Dims full = index.shape;
  if (full.rank + index.rest.rank() > kMaxRank)
    throw ShapeError(cat("[", op, "] too many axes, expected at most ", kMaxRank));
  for (int64_t n : index.rest.shape) full.push(n);
  View v = view(values, op, "values");
  if (v.rank() > full.rank || broadcast_shape(v.shape, full, op) != full)
    throw ShapeError(
        cat("[", op, "] values have shape ", text(v.shape), ", which does not broadcast to ", text(full)));
  if (accumulate && v.dtype != type)
    throw DTypeError(cat("[", op, "] values have dtype ", name(v.dtype), ", expected ", name(type)));
  py::array held;
  if (overlap(to, v) != Overlap::kNone) {
    held = new_array(v.dtype, v.shape, false);
    copy(writable(held), v);
    v = writable(held);
  }
  const View from = broadcast_to(v, full);
  py::gil_scoped_release release;
  scatter(index.rest, index.offsets, index.shape.rank, from, accumulate, op);
}

py::array one_hot_array(py::array index, int64_t classes, bool channels_last) {
  const View from = view(index, DType::kInt64, "one_hot", "tensor");
  py::array dense = new_array(DType::kInt64, from.shape, false);
  copy(writable(dense), from);
  const View flat = writable(dense);
  if (classes == -1) {
    if (flat.count() == 0) throw ShapeError("[one_hot] tensor is empty: num_classes cannot be told from it");
    classes = *std::max_element(flat.as<int64_t>(), flat.as<int64_t>() + flat.count()) + 1;
  }
  if (classes < 1)
    throw ValueError(cat("[one_hot] num_classes is ", classes, ", expected at least 1 (or -1)"));
  if (from.rank() == kMaxRank)
    throw ShapeError(cat("[one_hot] tensor has ", kMaxRank, " axes, expected fewer"));
  Dims shape = from.shape;
  shape.push(classes);
  py::array out = new_array(DType::kInt64, shape, false);
  {
    const View to = writable(out);
    py::gil_scoped_release release;
    one_hot(flat, to);
  }
  if (!channels_last || (shape.rank != 4 && shape.rank != 5)) return out;
  py::array ordered = new_array(DType::kInt64, shape, true);
  copy(writable(ordered), writable(out));
  return ordered;
}

}  // namespace

void bind_indexing(py::module_& m) {
  m.def("gather", &gather_array, py::arg("x"), py::arg("axes"), py::arg("indices"), py::arg("position"),
        py::arg("channels_last"));
  m.def("scatter", &scatter_array, py::arg("x"), py::arg("axes"), py::arg("indices"), py::arg("values"),
        py::arg("accumulate"));
  m.def("one_hot", &one_hot_array, py::arg("index"), py::arg("classes"), py::arg("channels_last"));
}

}  // namespace pyconv
