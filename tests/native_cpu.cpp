// The processor that is here but for one bit of what it says of itself, for
// tests/test_runtime_native_cpu.py.
#include <cpuid.h>

namespace {

unsigned hidden[4];  // leaf, part, register from EAX to EDX, and bit

int answer(unsigned leaf, unsigned part, unsigned* a, unsigned* b, unsigned* c, unsigned* d) {
  const int known = __get_cpuid_count(leaf, part, a, b, c, d);
  unsigned* const registers[] = {a, b, c, d};
  if (leaf == hidden[0] && part == hidden[1]) *registers[hidden[2]] &= ~(1u << hidden[3]);
  return known;
}

}  // namespace

#define __get_cpuid_count answer
#include "cpu.hpp"

extern "C" [[gnu::visibility("default")]] int runs_without(unsigned leaf, unsigned part,
                                                           unsigned place, unsigned bit) {
  hidden[0] = leaf, hidden[1] = part, hidden[2] = place, hidden[3] = bit;
  return lgrnet::runs_here();
}
