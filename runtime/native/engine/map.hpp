// Feature maps in memory: row by row, channels last, channels filled up to whole vectors with
// zeros.
#pragma once

#include <cstring>
#include <memory>
#include <new>

#include "simd.hpp"

namespace lgrnet {

inline int padded(int channels) { return (channels + LANES - 1) / LANES * LANES; }

// Memory for numbers that starts at a vector's border, zero at first.
template <class Number>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t size) : size_(size) {
    const size_t bytes = (size * sizeof(Number) + 63) / 64 * 64;
    data_.reset(static_cast<Number*>(::operator new(bytes ? bytes : 64, std::align_val_t{64})));
    std::memset(static_cast<void*>(data_.get()), 0, bytes);
  }
  Number* data() { return data_.get(); }
  const Number* data() const { return data_.get(); }
  size_t size() const { return size_; }
  Number& operator[](size_t i) { return data_.get()[i]; }
  const Number& operator[](size_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(void* pointer) const { ::operator delete(pointer, std::align_val_t{64}); }
  };
  std::unique_ptr<Number, Free> data_;
  size_t size_ = 0;
};

// A window onto a map; `stride` is the width of the whole map that it lies in.
template <class Number>
struct View {
  Number* data;
  int height, width, channels;  // channels: a multiple of LANES
  int stride;

  Number* at(int y, int x) const {
    return data + (static_cast<ptrdiff_t>(y) * stride + x) * channels;
  }
  View window(int y, int x, int rows, int columns) const {
    return {at(y, x), rows, columns, channels, stride};
  }
  operator View<const Number>() const { return {data, height, width, channels, stride}; }
};

// A map that owns its memory.
class Map {
 public:
  Map() = default;
  Map(int height, int width, int channels)
      : height(height),
        width(width),
        channels(padded(channels)),
        numbers_(static_cast<size_t>(height) * width * padded(channels)) {}
  View<float> view() { return {numbers_.data(), height, width, channels, width}; }
  View<const float> view() const { return {numbers_.data(), height, width, channels, width}; }
  float* data() { return numbers_.data(); }
  const float* data() const { return numbers_.data(); }

  int height = 0, width = 0, channels = 0;

 private:
  Buffer<float> numbers_;
};

}  // namespace lgrnet
