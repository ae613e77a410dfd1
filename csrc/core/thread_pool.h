// A pool of std::threads: what runs parallel_for's blocks, and in builds with OpenMP what takes over in a
// forked child.
#pragma once

namespace pyconv {

using WorkFunction = void (*)(void* context, int thread);

// Calls function(context, 0) on the calling thread, and function(context, t), 0 < t < threads, on those of
// the pool's threads that get a processor before the caller has returned from its own call; returns when all
// that began have ended. The function must share out the work so that any one call completes it. When
// another caller is using the pool there is only the first call.
void pool_run(int threads, WorkFunction function, void* context);

// In a forked child: forget the parent's threads, which do not exist here.
void abandon_pool();

}  // namespace pyconv
