// NEON's dot product as plain loops, so that what is written for it runs on other processors:
// -Itests/native_neon -D__ARM_FEATURE_DOTPROD. Arm's Intrinsics Reference says what each does.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

using float32x4_t = float __attribute__((vector_size(16)));
using int32x4_t = int32_t __attribute__((vector_size(16)));
using int16x8_t = int16_t __attribute__((vector_size(16)));
using int16x4_t = int16_t __attribute__((vector_size(8)));
using int8x16_t = int8_t __attribute__((vector_size(16)));
using int8x8_t = int8_t __attribute__((vector_size(8)));

namespace emulated {

template <class From>
int64_t held(From x, int64_t least, int64_t most) {
  return x < least ? least : x > most ? most : static_cast<int64_t>(x);
}

}  // namespace emulated

// To the nearest, of two as near to the even one; numbers that are too large become the largest.
inline int32x4_t vcvtnq_s32_f32(float32x4_t a) {
  int32x4_t whole{};
  for (int i = 0; i < 4; ++i)
    whole[i] =
        static_cast<int32_t>(emulated::held(std::nearbyint(double{a[i]}), INT32_MIN, INT32_MAX));
  return whole;
}

inline int16x4_t vqmovn_s32(int32x4_t a) {
  int16x4_t narrow{};
  for (int i = 0; i < 4; ++i)
    narrow[i] = static_cast<int16_t>(emulated::held(a[i], INT16_MIN, INT16_MAX));
  return narrow;
}

inline int8x8_t vqmovn_s16(int16x8_t a) {
  int8x8_t narrow{};
  for (int i = 0; i < 8; ++i)
    narrow[i] = static_cast<int8_t>(emulated::held(a[i], INT8_MIN, INT8_MAX));
  return narrow;
}

inline int16x8_t vcombine_s16(int16x4_t low, int16x4_t high) {
  int16x8_t both;
  std::memcpy(&both, &low, 8);
  std::memcpy(reinterpret_cast<char*>(&both) + 8, &high, 8);
  return both;
}

inline int8x16_t vcombine_s8(int8x8_t low, int8x8_t high) {
  int8x16_t both;
  std::memcpy(&both, &low, 8);
  std::memcpy(reinterpret_cast<char*>(&both) + 8, &high, 8);
  return both;
}

inline void vst1q_s8(int8_t* to, int8x16_t x) { std::memcpy(to, &x, sizeof x); }

inline int32x4_t vdotq_s32(int32x4_t total, int8x16_t a, int8x16_t b) {
  for (int i = 0; i < 16; ++i) total[i / 4] += int{a[i]} * int{b[i]};
  return total;
}
