// The smallest library that tells whether the engine compiled with the same flags would run here.
#include "cpu.hpp"

extern "C" [[gnu::visibility("default")]] int lgrnet_runs_here() { return lgrnet::runs_here(); }
