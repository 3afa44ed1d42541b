// A layer of the native engine by itself, for tests/test_runtime_native_linear.py.
#include "layers.hpp"

// in: (rows, inputs), weight: (outputs, inputs), bias: (outputs); out: (rows, outputs). The layer
// is in 8 bits if there is a range.
extern "C" [[gnu::visibility("default")]] void run_linear(int rows, int inputs, int outputs,
                                                          const float* in, const float* weight,
                                                          const float* bias, const float* range,
                                                          float* out) {
  const lgrnet::Linear linear(outputs, inputs, weight, bias, range);
  lgrnet::Buffer<float> wide(static_cast<size_t>(rows) * linear.inputs);
  for (int row = 0; row < rows; ++row)
    std::copy_n(in + row * inputs, inputs, wide.data() + row * linear.inputs);
  lgrnet::Scratch scratch;
  linear.run(wide.data(), rows, linear.inputs, scratch,
             [&](int row, int first, lgrnet::Floats value) {
               float numbers[lgrnet::LANES];
               lgrnet::store(numbers, value);
               for (int i = 0; i < lgrnet::LANES && first + i < outputs; ++i)
                 out[row * outputs + first + i] = numbers[i];
             });
}

extern "C" [[gnu::visibility("default")]] int lgrnet_runs_here() { return lgrnet::runs_here(); }
