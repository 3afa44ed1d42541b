// Parts of the native engine by themselves, for tests/test_runtime_native_parts.py.
#include <utility>

#include "cpu.hpp"
#include "finder.hpp"
#include "layers.hpp"

namespace {

using namespace lgrnet;

// Channels of a cell, filled up to whole vectors, and back.
void widen(const float* in, int cells, int channels, float* out) {
  for (int cell = 0; cell < cells; ++cell)
    std::copy_n(in + cell * channels, channels, out + cell * padded(channels));
}

void narrow(const float* in, int cells, int channels, float* out) {
  for (int cell = 0; cell < cells; ++cell)
    std::copy_n(in + cell * padded(channels), channels, out + cell * channels);
}

template <int OUT>
void convolve(int height, int width, int inputs, int outputs, const float* in, const float* weight,
              const float* bias, const float* range, float* out) {
  const Winograd<OUT> convolution(outputs, inputs, weight, bias, range);
  Map from(height, width, inputs), to(height, width, outputs);
  widen(in, height * width, inputs, from.data());
  Scratch scratch;
  const int across = tiles_along(width, OUT);
  convolution.run(0, across * tiles_along(height, OUT), across,
                  PaddedTiles(std::as_const(from).view()), scratch, StoreTiles(to.view(), false));
  narrow(to.data(), height * width, outputs, out);
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int lgrnet_runs_here() { return runs_here(); }

// in: (rows, inputs), weight: (outputs, inputs), bias: (outputs); out: (rows, outputs). The layer
// is in 8 bits if there is a range.
void run_linear(int rows, int inputs, int outputs, const float* in, const float* weight,
                const float* bias, const float* range, float* out) {
  const Linear linear(outputs, inputs, weight, bias, range);
  Buffer<float> wide(static_cast<size_t>(rows) * linear.inputs);
  widen(in, rows, inputs, wide.data());
  Buffer<float> results(static_cast<size_t>(rows) * linear.outputs);
  Scratch scratch;
  linear.run(wide.data(), rows, linear.inputs, scratch, [&](int row, int first, Floats value) {
    store(&results[row * linear.outputs + first], value);
  });
  narrow(results.data(), rows, outputs, out);
}

// A 3 × 3 convolution in tiles of side × side outputs. in: (height, width, inputs), weight:
// (outputs, inputs, 3, 3), range: of each position of a tile, or null; out: (height, width,
// outputs).
void run_convolution(int side, int height, int width, int inputs, int outputs, const float* in,
                     const float* weight, const float* bias, const float* range, float* out) {
  (side == 4 ? convolve<4> : convolve<2>)(height, width, inputs, outputs, in, weight, bias, range,
                                          out);
}

// A depthwise 3 × 3 convolution and one of all channels with ReLU, on two threads; adds: whether it
// added its input. in: (height, width, inputs), depth: (9, inputs), point: (outputs, inputs); out:
// (height / stride, width / stride, outputs).
void run_separable(int stride, int height, int width, int inputs, int outputs, const float* in,
                   const float* depth, const float* depth_bias, const float* point,
                   const float* point_bias, float* out) {
  Weights weights;
  weights.add("it.depth.weight", {depth, int64_t{9} * inputs});
  weights.add("it.depth.bias", {depth_bias, inputs});
  weights.add("it.point.weight", {point, static_cast<int64_t>(outputs) * inputs});
  weights.add("it.point.bias", {point_bias, outputs});
  const Separable layer(weights, "it", outputs, inputs, stride);
  Map from(height, width, inputs);
  widen(in, height * width, inputs, from.data());
  Threads threads(2);
  std::vector<RowScratch> scratches(2);
  GrowingMap to;
  const View<float> done = layer.run(std::as_const(from).view(), to, threads, scratches);
  narrow(done.data, done.height * done.width, outputs, out);
}

int lanes() { return LANES; }

// Functions of single numbers; size: whole vectors; out: (5, size).
void run_functions(int size, const float* in, float* out) {
  for (int at = 0; at < size; at += LANES) {
    const Floats x = load(in + at);
    const Floats results[] = {exp2_held(x), sigmoid(x), reciprocal(x), max(x, all(1)),
                              min(x, all(1))};
    for (int i = 0; i < 5; ++i) store(out + i * size + at, results[i]);
  }
}

// The sum of a vector's numbers, and what is left of them in fixed point.
float run_sum(const float* in, float* fixed) {
  int16_t numbers[LANES];
  store_fixed(numbers, load(in));
  store(fixed, load_fixed(numbers) * (1 / FIXED));
  return sum(load(in));
}
}
#pragma GCC visibility pop
