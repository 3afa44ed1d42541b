// AVX-512 VNNI or AVX-VNNI as plain loops, so that what is written for them runs where they are
// missing: included before the engine, which is compiled for AVX2. Intel's Intrinsics Guide says
// what each instruction does.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace emulated {

// A vector as numbers, and back.
template <class Number, class Vector>
struct Lanes {
  static constexpr int COUNT = sizeof(Vector) / sizeof(Number);
  Number at[COUNT];

  Lanes() = default;
  explicit Lanes(const Vector& x) { std::memcpy(at, &x, sizeof x); }
  operator Vector() const {
    Vector x;
    std::memcpy(&x, at, sizeof x);
    return x;
  }
};

template <class Function>
__m512 each(__m512 a, __m512 b, const Function& function) {
  Lanes<float, __m512> x(a), y(b);
  for (int i = 0; i < x.COUNT; ++i) x.at[i] = function(x.at[i], y.at[i]);
  return x;
}

// Where one of the two is no number, the second.
inline __m512 max_ps(__m512 a, __m512 b) {
  return each(a, b, [](float x, float y) { return x > y ? x : y; });
}
inline __m512 min_ps(__m512 a, __m512 b) {
  return each(a, b, [](float x, float y) { return x < y ? x : y; });
}
inline __m512 roundscale_ps(__m512 a, int) {
  return each(a, a, [](float x, float) { return std::nearbyint(x); });
}
inline __m512 scalef_ps(__m512 a, __m512 b) {
  return each(a, b, [](float x, float y) { return std::ldexp(x, static_cast<int>(y)); });
}
// As wrong as the instruction may be: by 2^-14.
inline __m512 rcp14_ps(__m512 a) {
  return each(a, a, [](float x, float) { return (1 - 0x1p-14f) / x; });
}
inline float reduce_add_ps(__m512 a) {
  float total = 0;
  for (float x : Lanes<float, __m512>(a).at) total += x;
  return total;
}

inline __m512i cvtps_epi32(__m512 a) {
  const Lanes<float, __m512> x(a);
  Lanes<int32_t, __m512i> whole;
  for (int i = 0; i < x.COUNT; ++i)
    whole.at[i] =
        std::fabs(x.at[i]) < 0x1p31f ? static_cast<int32_t>(std::nearbyint(x.at[i])) : INT32_MIN;
  return whole;
}

// Both pack within each 128 bits.
template <class Function>
__m512i pack(__m512i a, __m512i b, const Function& function) {
  Lanes<__m128i, __m512i> x(a), y(b);
  for (int i = 0; i < x.COUNT; ++i) x.at[i] = function(x.at[i], y.at[i]);
  return x;
}
inline __m512i packs_epi32(__m512i a, __m512i b) {
  return pack(a, b, [](__m128i x, __m128i y) { return _mm_packs_epi32(x, y); });
}
inline __m512i packs_epi16(__m512i a, __m512i b) {
  return pack(a, b, [](__m128i x, __m128i y) { return _mm_packs_epi16(x, y); });
}

inline __m512i set1_epi8(char x) {
  __m512i all;
  std::memset(&all, x, sizeof all);
  return all;
}
inline __m512i xor_si512(__m512i a, __m512i b) { return a ^ b; }
inline void storeu_si512(void* to, __m512i x) { std::memcpy(to, &x, sizeof x); }

// Unsigned bytes of a times signed bytes of b; sums that are too large are not cut off.
template <class Vector>
Vector dpbusd_epi32(Vector total, Vector a, Vector b) {
  Lanes<uint32_t, Vector> sums(total);
  const Lanes<uint8_t, Vector> x(a);
  const Lanes<int8_t, Vector> y(b);
  for (int i = 0; i < x.COUNT; ++i)
    sums.at[i / 4] += static_cast<uint32_t>(int{x.at[i]} * int{y.at[i]});
  return sums;
}

}  // namespace emulated

#if defined(EMULATE_AVX512)
#define __AVX512VNNI__ 1
#define __AVX512BW__ 1
#define __AVX512DQ__ 1
#define __AVX512VL__ 1
#define _mm512_max_ps emulated::max_ps
#define _mm512_min_ps emulated::min_ps
#undef _mm512_roundscale_ps
#define _mm512_roundscale_ps emulated::roundscale_ps
#define _mm512_scalef_ps emulated::scalef_ps
#define _mm512_rcp14_ps emulated::rcp14_ps
#define _mm512_reduce_add_ps emulated::reduce_add_ps
#define _mm512_cvtps_epi32 emulated::cvtps_epi32
#define _mm512_packs_epi32 emulated::packs_epi32
#define _mm512_packs_epi16 emulated::packs_epi16
#define _mm512_set1_epi8 emulated::set1_epi8
#define _mm512_xor_si512 emulated::xor_si512
#define _mm512_storeu_si512 emulated::storeu_si512
#define _mm512_dpbusd_epi32 emulated::dpbusd_epi32<__m512i>
#else
#define __AVXVNNI__ 1
#define _mm256_dpbusd_avx_epi32 emulated::dpbusd_epi32<__m256i>
#endif
