// A small pool of std::threads: parallel_for's second backend, used after a fork, under the thread
// sanitizer (which does not understand libgomp) and where there is no OpenMP.
#pragma once

namespace pyconv {

using ShareFunction = void (*)(void* context, int thread, int threads);

// Calls function(context, t, threads) for each t; t = 0 on the calling thread. When another thread is
// using the pool, or the system grants no threads, the caller runs everything: f(context, 0, 1).
void pool_run(int threads, ShareFunction function, void* context);

// In a forked child: forget the parent's threads, which do not exist here.
void abandon_pool();

}  // namespace pyconv
