// Numbers side by side, as many as a register of the processor holds.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

// What is made use of, decided here only: a compiler may have been told of more, as by $CXX with
// -march=native, such as of AVX-512 without VNNI.
#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)
#define LGRNET_AVX512
#elif defined(__AVXVNNI__)
#define LGRNET_AVXVNNI
#define LGRNET_AVX2
#elif defined(__AVX2__)
#define LGRNET_AVX2
#elif defined(__ARM_FEATURE_DOTPROD)
#define LGRNET_DOTPROD
#endif

namespace lgrnet {

#if defined(LGRNET_AVX512)
constexpr int LANES = 16;
#elif defined(LGRNET_AVX2)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

using Floats = float __attribute__((vector_size(4 * LANES)));
using Ints = int32_t __attribute__((vector_size(4 * LANES)));
using Shorts = int16_t __attribute__((vector_size(2 * LANES)));

// A vector anywhere in memory. (GCC would copy 16 bytes through two registers of 8, on ARM.)
template <class Vector>
struct Anywhere {
  using Type [[gnu::aligned(1), gnu::may_alias]] = Vector;
};

inline Floats load(const float* from) {
  return *reinterpret_cast<const Anywhere<Floats>::Type*>(from);
}

inline void store(float* to, Floats x) { *reinterpret_cast<Anywhere<Floats>::Type*>(to) = x; }

inline Ints load(const int32_t* from) {
  return *reinterpret_cast<const Anywhere<Ints>::Type*>(from);
}

inline void store(int32_t* to, Ints x) { *reinterpret_cast<Anywhere<Ints>::Type*>(to) = x; }

inline Floats all(float x) { return x - Floats{}; }

inline Floats to_floats(Ints x) { return __builtin_convertvector(x, Floats); }
inline Floats to_floats(Floats x) { return x; }

#if defined(LGRNET_AVX512)
inline Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
#elif defined(LGRNET_AVX2)
inline Floats max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Floats min(Floats a, Floats b) { return _mm256_min_ps(a, b); }
#else
inline Floats max(Floats a, Floats b) { return a > b ? a : b; }
inline Floats min(Floats a, Floats b) { return a < b ? a : b; }
#endif

// Numbers in -1 … 1 as fixed point, in half the memory and within 2e-5.
constexpr float FIXED = 32767.f;

inline Floats load_fixed(const int16_t* from) {
  Shorts x;
  std::memcpy(&x, from, sizeof x);
  return __builtin_convertvector(x, Floats);  // times FIXED
}

inline void store_fixed(int16_t* to, Floats x) {
  const Floats shift = all(12582912.f);  // rounds, see round_to_whole
  const Shorts fixed =
      __builtin_convertvector(__builtin_convertvector((x * FIXED + shift) - shift, Ints), Shorts);
  std::memcpy(to, &fixed, sizeof fixed);
}

// Sum of the lanes.
inline float sum(Floats x) {
#if defined(LGRNET_AVX512)
  return _mm512_reduce_add_ps(x);
#elif defined(LGRNET_AVX2)
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
#else
  float total = 0;
  for (int lane = 0; lane < LANES; ++lane) total += x[lane];
  return total;
#endif
}

// Adding 1.5 · 2^23 leaves no bits for a fraction: the nearest whole number, for |x| < 2^22.
inline Floats round_to_whole(Floats x) {
  const Floats shift = all(12582912.f);
  return (x + shift) - shift;
}

// 2^x within 2e-7 of itself, for x up to 126; below -126 it is nearly zero.
inline Floats exp2(Floats x) {
#if defined(LGRNET_AVX512)
  const Floats whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT);
#else
  x = max(x, all(-126.f));
  const Floats shift = all(12582912.f), shifted = x + shift;  // rounds, see round_to_whole
  const Floats whole = shifted - shift;
#endif
  const Floats rest = x - whole;  // -1/2 … 1/2
  // Of those that are 1 at 0 the one with the least relative error there.
  Floats power = all(1.32647273e-3f);
  power = power * rest + 9.67151299e-3f;
  power = power * rest + 5.55073358e-2f;
  power = power * rest + 2.40222424e-1f;
  power = power * rest + 6.93147004e-1f;
  power = power * rest + 1.f;
#if defined(LGRNET_AVX512)
  return _mm512_scalef_ps(power, whole);
#else
  // The last bits of `shifted` are the whole number: added to the exponent.
  Ints bits, exponent;
  std::memcpy(&bits, &power, sizeof bits);
  std::memcpy(&exponent, &shifted, sizeof exponent);
  bits += exponent << 23;
  std::memcpy(&power, &bits, sizeof power);
  return power;
#endif
}

inline Floats reciprocal(Floats x) {
#if defined(LGRNET_AVX512)
  const Floats guess = _mm512_rcp14_ps(x);
  return guess * (2.f - x * guess);
#else
  return 1.f / x;
#endif
}

constexpr float LOG2_E = 1.44269504f;

// 2^x for sigmoids: held to where products of three such terms still are numbers.
inline Floats exp2_held(Floats x) { return exp2(min(x, all(40.f))); }

inline Floats sigmoid(Floats x) { return reciprocal(1.f + exp2_held(x * -LOG2_E)); }

// Numbers of 8 bits, and how an instruction multiplies them: four bytes a lane, of which Intel
// wants one operand unsigned; or, where that is missing or cuts off sums beyond 16 bits, two of 16
// bits.
#if defined(LGRNET_AVX512) || defined(LGRNET_AVXVNNI)
using Input8 = uint8_t;
using Kernel8 = int8_t;
constexpr int TOGETHER = 4, OFFSET = 128;
#elif defined(LGRNET_DOTPROD)
using Input8 = int8_t;
using Kernel8 = int8_t;
constexpr int TOGETHER = 4, OFFSET = 0;
#else
using Input8 = int16_t;
using Kernel8 = int16_t;
constexpr int TOGETHER = 2, OFFSET = 0;
#endif

// Four vectors as round(x) + OFFSET, x held to -128 … 127 (if it is below 2^31, where processors
// stop counting), so that numbers of a product lie side by side: channels 0-3 of the first vector,
// of the second, …, then channels 4-7, ….
inline void store_rounded(Input8* to, const Floats (&x)[4]) {
#if defined(LGRNET_AVX512)
  const __m512i low = _mm512_packs_epi32(_mm512_cvtps_epi32(x[0]), _mm512_cvtps_epi32(x[1]));
  const __m512i high = _mm512_packs_epi32(_mm512_cvtps_epi32(x[2]), _mm512_cvtps_epi32(x[3]));
  const __m512i bytes = _mm512_packs_epi16(low, high);
  _mm512_storeu_si512(to, _mm512_xor_si512(bytes, _mm512_set1_epi8(-128)));
#elif defined(LGRNET_AVX2)
  const __m256i low = _mm256_packs_epi32(_mm256_cvtps_epi32(x[0]), _mm256_cvtps_epi32(x[1]));
  const __m256i high = _mm256_packs_epi32(_mm256_cvtps_epi32(x[2]), _mm256_cvtps_epi32(x[3]));
  __m256i* const at = reinterpret_cast<__m256i*>(to);
#if defined(LGRNET_AVXVNNI)
  const __m256i bytes = _mm256_packs_epi16(low, high);
  _mm256_storeu_si256(at, _mm256_xor_si256(bytes, _mm256_set1_epi8(-128)));
#else
  const __m256i least = _mm256_set1_epi16(-128), most = _mm256_set1_epi16(127);
  const __m256i first = _mm256_min_epi16(_mm256_max_epi16(low, least), most);
  const __m256i second = _mm256_min_epi16(_mm256_max_epi16(high, least), most);
  _mm256_storeu_si256(at, _mm256_permute2x128_si256(first, second, 0x20));
  _mm256_storeu_si256(at + 1, _mm256_permute2x128_si256(first, second, 0x31));
#endif
#elif defined(LGRNET_DOTPROD)
  const auto rounded = [&](int i) { return vqmovn_s32(vcvtnq_s32_f32((float32x4_t)x[i])); };
  const int16x8_t low = vcombine_s16(rounded(0), rounded(1));
  const int16x8_t high = vcombine_s16(rounded(2), rounded(3));
  vst1q_s8(to, vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
#else
  for (int i = 0; i < 4; ++i) {
    const Floats whole = round_to_whole(min(max(x[i], all(-128.f)), all(127.f)));
    for (int lane = 0; lane < LANES; ++lane)
      to[lane / 4 * 16 + i * 4 + lane % 4] = static_cast<Input8>(whole[lane]);
  }
#endif
}

// Keeps what compilers would move: a load into an instruction that reads it again for each row, or
// sums to after all products, for which there are not registers enough.
template <class Vector>
void keep([[maybe_unused]] Vector& x) {
#if defined(LGRNET_AVX2)
  asm volatile("" : "+x"(x));
#elif defined(__aarch64__)
  asm volatile("" : "+w"(x));
#endif
}

// The same TOGETHER inputs in all lanes.
inline Ints repeat(const Input8* from) {
  int32_t same;
  static_assert(sizeof(Input8) * TOGETHER == sizeof same);
  std::memcpy(&same, from, sizeof same);
  return same - Ints{};
}

// Kernels as they lie in memory.
inline Ints load_bits(const Kernel8* from) {
  return *reinterpret_cast<const Anywhere<Ints>::Type*>(from);
}

// TOGETHER products a lane: total + Σ a · b.
inline Ints dot(Ints total, Ints a, Ints b) {
#if defined(LGRNET_AVX512)
  return (Ints)_mm512_dpbusd_epi32((__m512i)total, (__m512i)a, (__m512i)b);
#elif defined(LGRNET_AVXVNNI)
  return (Ints)_mm256_dpbusd_avx_epi32((__m256i)total, (__m256i)a, (__m256i)b);
#elif defined(LGRNET_AVX2)
  return total + (Ints)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(LGRNET_DOTPROD)
  return (Ints)vdotq_s32((int32x4_t)total, (int8x16_t)a, (int8x16_t)b);
#else
  return total + (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
#endif
}

// What the library was compiled for, to be told to the user.
inline const char* instruction_set() {
#if defined(LGRNET_AVX512)
  return "AVX-512 VNNI";
#elif defined(LGRNET_AVXVNNI)
  return "AVX-VNNI";
#elif defined(LGRNET_AVX2)
  return "AVX2";
#elif defined(LGRNET_DOTPROD)
  return "NEON dot product";
#else
  return "portable";
#endif
}

}  // namespace lgrnet
