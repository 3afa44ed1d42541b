// How often numbers of each size occur: what ranges of 8-bit numbers are chosen by.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "simd.hpp"

namespace lgrnet {

// Bins of |x|, eight an octave from 2^-20 to 2^12; what lies beyond is counted in the outermost,
// zeros, which no rounding changes, nowhere. export.native.ranges knows the same bins.
constexpr int BINS = 256;

class Histogram {
 public:
  void add(const float* numbers, size_t size) {
    if (counts_.empty()) counts_.assign(BINS, 0);
    for (size_t i = 0; i < size; ++i) {
      uint32_t bits;
      std::memcpy(&bits, numbers + i, sizeof bits);
      bits &= 0x7fffffffu;
      if (bits == 0) continue;
      // Exponent and the first three bits of the fraction, the exponent's bias being 127.
      const int bin = static_cast<int>(bits >> 20) - (127 - 20) * 8;
      ++counts_[std::clamp(bin, 0, BINS - 1)];
    }
  }
  void add(Floats x) {
    float numbers[LANES];
    store(numbers, x);
    add(numbers, LANES);
  }
  // Adds its counts to `to`.
  void give(float* to) const {
    for (size_t bin = 0; bin < counts_.size(); ++bin) to[bin] += static_cast<float>(counts_[bin]);
  }

 private:
  std::vector<uint64_t> counts_;
};

// A layer that can be in 8 bits, and notes the numbers that it sees so that ranges can be chosen.
class Observed {
 public:
  virtual ~Observed() = default;

  // From now on counts what it sees; for one thread, and floating point.
  void observe() { observing_ = true; }

  // What each position saw that has a range of its own.
  const std::vector<Histogram>& seen() const { return seen_; }

 protected:
  explicit Observed(int positions) : seen_(positions) {}

  bool observing_ = false;
  mutable std::vector<Histogram> seen_;
};

}  // namespace lgrnet
