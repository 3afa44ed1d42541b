// Sixteen numbers at a time. Compilers split these vectors on processors with shorter ones; only
// the 8-bit dot product, on which the speed hangs, is written for instruction sets one by one.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace lgrnet {

constexpr int LANES = 16;

using Floats = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));
using Shorts = int16_t __attribute__((vector_size(32)));

inline Floats load(const float* from) {
  Floats x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

inline void store(float* to, Floats x) { std::memcpy(to, &x, sizeof x); }

inline Ints load(const int32_t* from) {
  Ints x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

inline void store(int32_t* to, Ints x) { std::memcpy(to, &x, sizeof x); }

inline Floats all(float x) { return x - Floats{}; }

inline Floats to_floats(Ints x) { return __builtin_convertvector(x, Floats); }
inline Floats to_floats(Floats x) { return x; }

#if defined(__AVX512F__)
inline Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
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
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(x);
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

// 2^x within 3e-7 of itself, for x up to 126; below -126 it is nearly zero.
inline Floats exp2(Floats x) {
#if defined(__AVX512F__)
  const Floats whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT);
#else
  x = max(x, all(-126.f));
  const Floats whole = round_to_whole(x);
#endif
  const Floats rest = x - whole;  // -1/2 … 1/2
  Floats power = all(1.8775767e-3f);
  power = power * rest + 8.9893397e-3f;
  power = power * rest + 5.5826318e-2f;
  power = power * rest + 2.4015361e-1f;
  power = power * rest + 6.9315308e-1f;
  power = power * rest + 9.9999994e-1f;
#if defined(__AVX512F__)
  return _mm512_scalef_ps(power, whole);
#else
  const Ints exponent = (__builtin_convertvector(whole, Ints) + 127) << 23;
  Floats scale;
  std::memcpy(&scale, &exponent, sizeof scale);
  return power * scale;
#endif
}

inline Floats reciprocal(Floats x) {
#if defined(__AVX512F__)
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

// Four vectors as bytes round(x) + 128, x held to -128 … 127, so that the four numbers of a product
// lie side by side: channels 0-3 of the first vector, of the second, …, then channels 4-7, ….
inline void store_bytes(uint8_t* to, const Floats (&x)[4]) {
#if defined(__AVX512BW__)
  const __m512i low = _mm512_packs_epi32(_mm512_cvtps_epi32(x[0]), _mm512_cvtps_epi32(x[1]));
  const __m512i high = _mm512_packs_epi32(_mm512_cvtps_epi32(x[2]), _mm512_cvtps_epi32(x[3]));
  const __m512i bytes = _mm512_packs_epi16(low, high);
  _mm512_storeu_si512(to, _mm512_xor_si512(bytes, _mm512_set1_epi8(-128)));
#else
  for (int i = 0; i < 4; ++i) {
    const Floats whole = round_to_whole(min(max(x[i], all(-128.f)), all(127.f))) + 128.f;
    for (int lane = 0; lane < LANES; ++lane)
      to[lane / 4 * 16 + i * 4 + lane % 4] = static_cast<uint8_t>(whole[lane]);
  }
#endif
}

// Four products a lane: total + Σ a · b, the four bytes of a being the same for all lanes.
inline Ints dot(Ints total, const uint8_t* a, const int8_t* b) {
  int32_t four;
  std::memcpy(&four, a, sizeof four);
#if defined(__AVX512VNNI__)
  return (Ints)_mm512_dpbusd_epi32((__m512i)total, _mm512_set1_epi32(four), _mm512_loadu_si512(b));
#elif defined(__AVX2__)
  // Two bytes at a time, widened, as vpmaddubsw would cut off sums beyond 16 bits.
  const __m256i left = _mm256_cvtepu8_epi16(_mm_set1_epi32(four));
  __m256i halves[2];
  std::memcpy(halves, &total, sizeof halves);
  for (int half = 0; half < 2; ++half) {
    const __m128i* at = reinterpret_cast<const __m128i*>(b + 32 * half);
    const __m256i low = _mm256_madd_epi16(left, _mm256_cvtepi8_epi16(_mm_loadu_si128(at)));
    const __m256i high = _mm256_madd_epi16(left, _mm256_cvtepi8_epi16(_mm_loadu_si128(at + 1)));
    // Pairs of sums become one; hadd leaves them in the order 0 1 4 5 2 3 6 7.
    const __m256i both = _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
    halves[half] = _mm256_add_epi32(halves[half], both);
  }
  std::memcpy(&total, halves, sizeof total);
  return total;
#else
  for (int lane = 0; lane < LANES; ++lane)
    for (int byte = 0; byte < 4; ++byte) total[lane] += a[byte] * b[4 * lane + byte];
  return total;
#endif
}

// What the library was compiled for, to be told to the user.
inline const char* instruction_set() {
#if defined(__AVX512VNNI__)
  return "AVX-512 VNNI";
#elif defined(__AVX2__)
  return "AVX2";
#else
  return "portable";
#endif
}

// Whether this processor has what the library was compiled for.
inline bool runs_here() {
#if defined(__AVX512VNNI__)
  return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

}  // namespace lgrnet
