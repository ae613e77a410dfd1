// How many threads a process should use: what it may run on, and what its control group pays for.
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "core/error.h"
#include "core/parallel.h"

namespace pyconv {
namespace {

int affinity_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// cgroup v2, file cpu.max: "<quota|max> <period>" in microseconds.
double quota_v2(const std::string& directory) {
  std::ifstream file(directory + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::strtod(quota.c_str(), nullptr) / period;
}

// cgroup v1, two files; a quota of -1 means none.
double quota_v1(const std::string& directory) {
  std::ifstream quota_file(directory + "/cpu.cfs_quota_us"), period_file(directory + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return 0;
  return quota / period;
}

// The group's own path ("0::/a/b" or "4:cpu,cpuacct:/a/b"); inside a container it is usually "/".
std::string own_path(bool v2) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (v2 ? controllers == ",," : controllers.find(",cpu,") != std::string::npos)
      return line.substr(second + 1);
  }
  return "/";
}

// The tightest quota of the group and its ancestors; 0: none.
double tightest(const std::string& root, std::string path, double (*read)(const std::string&)) {
  double quota = 0;
  for (;;) {
    const double here = read(root + (path == "/" ? "" : path));
    if (here > 0 && (quota == 0 || here < quota)) quota = here;
    if (path.empty() || path == "/") return quota;
    const size_t slash = path.rfind('/');
    path = slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
  }
}

// A positive whole number from the environment; OMP_NUM_THREADS may be a list, its first entry counts.
int env_threads(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text || !*text) return 0;
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  if (end == text || (*end != '\0' && *end != ',') || n < 1 || n > 1024)
    throw ValueError(cat("[threads] ", variable, " is '", text, "', expected a whole number from 1 to 1024"));
  return static_cast<int>(n);
}

}  // namespace

ThreadDefault default_threads(const std::string& cgroup_root) {
  ThreadDefault result{1, affinity_count(), 0, ""};
  const double v2 = tightest(cgroup_root, own_path(true), quota_v2);
  const double v1 = tightest(cgroup_root + "/cpu", own_path(false), quota_v1);
  result.quota = v2 > 0 && (v1 == 0 || v2 < v1) ? v2 : v1;
  for (const char* variable : {"PYCONV_NUM_THREADS", "OMP_NUM_THREADS"}) {
    if (const int n = env_threads(variable)) {
      result.threads = n;
      result.why = variable;
      return result;
    }
  }
  // Rounded down: a thread too many is throttled, and then all of them wait for it.
  const int granted =
      result.quota > 0 ? std::max(1, static_cast<int>(std::floor(result.quota))) : result.affinity;
  result.threads = std::min(result.affinity, granted);
  result.why = granted < result.affinity ? "control group quota" : "processors this process may run on";
  return result;
}

}  // namespace pyconv
