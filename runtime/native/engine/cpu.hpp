// What the processor has, asked of itself: compilers' own tests are missing or say no in libraries
// that Zig makes.
#pragma once

#include <initializer_list>

#include "simd.hpp"

#if defined(LGRNET_AVX2) || defined(LGRNET_AVX512)
#include <cpuid.h>
#elif defined(LGRNET_DOTPROD) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(LGRNET_DOTPROD) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace lgrnet {

#if defined(LGRNET_AVX2) || defined(LGRNET_AVX512)

// Registers after the instruction CPUID (Intel Software Developer's Manual, volume 2A).
struct Answer {
  unsigned a = 0, b = 0, c = 0, d = 0;

  Answer(unsigned leaf, unsigned part) { __get_cpuid_count(leaf, part, &a, &b, &c, &d); }
};

inline bool has(unsigned answer, std::initializer_list<int> bits) {
  for (int bit : bits)
    if (!(answer >> bit & 1)) return false;
  return true;
}

// Which registers the operating system keeps for each thread: XCR0.
inline unsigned kept_registers() {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// Whether this processor has what the library was compiled for.
inline bool runs_here() {
  const unsigned basic = Answer(1, 0).c;
  if (!has(basic, {12, 27})) return false;  // FMA, and XGETBV
  const Answer extended(7, 0);
#if defined(LGRNET_AVX512)
  return has(kept_registers(), {1, 2, 5, 6, 7}) &&  // SSE, AVX, and three kinds of AVX-512
         has(extended.b, {16, 17, 30, 31}) &&       // AVX-512 F, DQ, BW, VL
         has(extended.c, {11});                     // AVX-512 VNNI
#else
  if (!has(kept_registers(), {1, 2}) || !has(extended.b, {5})) return false;  // AVX2
#if defined(LGRNET_AVXVNNI)
  return has(Answer(7, 1).a, {4});
#else
  return true;
#endif
#endif
}

#elif defined(LGRNET_DOTPROD) && defined(__aarch64__)

// Processors of ARM cannot be asked; their operating systems can. Others' do not run it.
inline bool runs_here() {
#if defined(__linux__)
  return getauxval(AT_HWCAP) >> 20 & 1;  // HWCAP_ASIMDDP, arch/arm64/include/uapi/asm/hwcap.h
#elif defined(__APPLE__)
  int has = 0;
  size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, nullptr, 0) == 0 && has;
#else
  return false;
#endif
}

#else

inline bool runs_here() { return true; }

#endif

}  // namespace lgrnet
