// Matrix products of small blocks: 8-bit with 32-bit sums, and 32-bit floating point.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "simd.hpp"

namespace lgrnet {

// What inputs, kernels and the sums of their products are. An instruction takes DEPTH inputs of a
// row, which lie side by side; the next ones come STRIDE numbers later.
struct Int8 {
  using Input = uint8_t;
  using Kernel = int8_t;
  using Sum = int32_t;
  static constexpr int DEPTH = 4, STRIDE = 16;  // as store_bytes lays them

  template <int VECTORS>
  static void step(Ints (&total)[VECTORS], const Input* a, const Kernel* b) {
    for (int v = 0; v < VECTORS; ++v) total[v] = dot(total[v], a, b + v * DEPTH * LANES);
  }
};

struct Float32 {
  using Input = float;
  using Kernel = float;
  using Sum = float;
  static constexpr int DEPTH = 1, STRIDE = 1;

  template <int VECTORS>
  static void step(Floats (&total)[VECTORS], const Input* a, const Kernel* b) {
    for (int v = 0; v < VECTORS; ++v) total[v] += *a * load(b + v * LANES);
  }
};

constexpr int MOST_VECTORS = 4;
#if defined(__AVX512F__)
constexpr int REGISTERS = 24;  // of 32; the rest hold kernels
#else
constexpr int REGISTERS = 6;  // a vector takes several
#endif

// A product of matrices: out[row][n] = start[n] + Σ_k a[row][k] · b[k][n].
template <class Type>
struct Product {
  const typename Type::Input* a;
  size_t apart;                    // of the rows of a, in numbers
  const typename Type::Kernel* b;  // in reading order
  int depth;                       // numbers k
  const typename Type::Sum* start;
  typename Type::Sum* out;
  size_t out_apart;  // of the rows of out
};

// ROWS × VECTORS · 16 sums in registers.
template <class Type, int ROWS, int VECTORS>
void multiply_block(const Product<Type>& product) {
  using Vector = decltype(load(product.start));
  Vector total[ROWS][VECTORS];
#pragma GCC unroll 24
  for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) total[row][v] = load(product.start + v * LANES);
  const auto *a = product.a, *end = a + product.depth / Type::DEPTH * Type::STRIDE;
  const auto* b = product.b;
  const size_t apart = product.apart;
  for (; a != end; a += Type::STRIDE, b += VECTORS * LANES * Type::DEPTH) {
#pragma GCC unroll 24
    for (int row = 0; row < ROWS; ++row) Type::step(total[row], a + row * apart, b);
  }
#pragma GCC unroll 24
  for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v)
      store(product.out + row * product.out_apart + v * LANES, total[row][v]);
}

template <class Type, int VECTORS>
constexpr auto blocks() {
  constexpr int most = REGISTERS / VECTORS > 14 ? 14 : REGISTERS / VECTORS;
  return []<int... I>(std::integer_sequence<int, I...>) {
    return std::array<void (*)(const Product<Type>&), most>{
        multiply_block<Type, I + 1, VECTORS>...};
  }(std::make_integer_sequence<int, most>{});
}

// Any number of rows, VECTORS · 16 columns.
template <class Type, int VECTORS>
void multiply(Product<Type> product, int rows) {
  static constexpr auto kernels = blocks<Type, VECTORS>();
  const int most = static_cast<int>(kernels.size());
  // As equal parts as can be: 22 rows are 6 + 6 + 5 + 5, not 6 + 6 + 6 + 4.
  for (int parts = (rows + most - 1) / most; parts > 0; --parts) {
    const int part = (rows + parts - 1) / parts;
    kernels[part - 1](product);
    product.a += part * product.apart;
    product.out += part * product.out_apart;
    rows -= part;
  }
}

// Calls task.template operator()<VECTORS>() with a number known at run time, 1 … 4.
template <class Task>
void with_vectors(int vectors, const Task& task) {
  switch (vectors) {
    case 1:
      return task.template operator()<1>();
    case 2:
      return task.template operator()<2>();
    case 3:
      return task.template operator()<3>();
    default:
      return task.template operator()<4>();
  }
}

}  // namespace lgrnet
