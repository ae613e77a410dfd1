// Threads, instruction sets, memory: what pyconv.runtime shows and sets.
#include <pybind11/stl.h>

#include "bindings/families.h"
#include "core/algorithm.h"
#include "core/arena.h"
#include "core/parallel.h"
#include "kernels/select.h"

namespace py = pybind11;

namespace pyconv {

void bind_runtime(py::module_& m) {
  m.def("isa", [] { return std::string(kernels().name); });
  m.def("available_isas", &available_isas);
  m.def("use_isa", &use_isa, py::arg("name"));
  m.def("algorithm_choice", [] { return std::string(name(algorithm_choice())); });
  m.def("use_algorithm", &use_algorithm, py::arg("name"));
  m.def("get_num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def("threading_backend", &threading_backend);
  m.def(
      "default_threads",
      [](const std::string& root) {
        const ThreadDefault d = default_threads(root);
        py::dict out;
        out["threads"] = d.threads;
        out["affinity"] = d.affinity;
        out["quota"] = d.quota;
        out["why"] = d.why;
        return out;
      },
      py::arg("cgroup_root"));
  m.def("memory_stats", [] {
    const MemoryStats s = memory_stats();
    py::dict out;
    out["current_bytes"] = s.current_bytes;
    out["peak_bytes"] = s.peak_bytes;
    out["cached_bytes"] = s.cached_bytes;
    out["copies"] = s.copies;
    out["copied_bytes"] = s.copied_bytes;
    return out;
  });
  m.def("reset_peak", &reset_peak);
  m.def("empty_cache", &arena_trim);
  m.def("poison", &poison);
  m.def("set_poison", &set_poison, py::arg("on"));
}

}  // namespace pyconv
