// Matrix products of small blocks: 8-bit with 32-bit sums, and 32-bit floating point.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "simd.hpp"

namespace lgrnet {

// What inputs, kernels and the sums of their products are. A step takes DEPTH inputs of a row,
// which lie side by side; the next ones come STRIDE numbers later.
struct Int8 {
  using Input = Input8;
  using Kernel = Kernel8;
  using Sum = int32_t;
  static constexpr int DEPTH = 4, STRIDE = 16;  // as store_rounded lays them

  // Where the kernel of input k and column n lies, of `width` columns.
  static size_t place(int k, int n, int width) {
    return (static_cast<size_t>(k / TOGETHER) * width + n) * TOGETHER + k % TOGETHER;
  }

  template <int ROWS, int VECTORS>
  static void step(Ints (&total)[ROWS][VECTORS], const Input* a, size_t apart, const Kernel* b,
                   size_t width) {
#pragma GCC unroll 4
    for (int k = 0; k < DEPTH; k += TOGETHER, b += TOGETHER * width) {
      Ints kernel[VECTORS];
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) {
        kernel[v] = load_bits(b + v * TOGETHER * LANES);
        keep(kernel[v]);
      }
#pragma GCC unroll 24
      for (int row = 0; row < ROWS; ++row) {
        const Ints input = repeat(a + row * apart + k);
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) {
          total[row][v] = dot(total[row][v], input, kernel[v]);
          keep(total[row][v]);
        }
      }
    }
  }
};

struct Float32 {
  using Input = float;
  using Kernel = float;
  using Sum = float;
  static constexpr int DEPTH = 1, STRIDE = 1;

  static size_t place(int k, int n, int width) { return static_cast<size_t>(k) * width + n; }

  template <int ROWS, int VECTORS>
  static void step(Floats (&total)[ROWS][VECTORS], const Input* a, size_t apart, const Kernel* b,
                   size_t) {
    Floats kernel[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) {
      kernel[v] = load(b + v * LANES);
      keep(kernel[v]);
    }
#pragma GCC unroll 24
    for (int row = 0; row < ROWS; ++row) {
      const Floats input = all(a[row * apart]);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) {
        total[row][v] += input * kernel[v];
        keep(total[row][v]);
      }
    }
  }
};

constexpr int MOST_VECTORS = 4;
#if defined(LGRNET_AVX512) || defined(__aarch64__)
constexpr int REGISTERS = 24;  // of 32; the rest hold kernels
constexpr int WIDEST = 4;      // vectors of a block
#else
constexpr int REGISTERS = 12;  // of 16
constexpr int WIDEST = 2;      // so that a block has 6 rows, and loads are fewer than products
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

// ROWS × VECTORS · LANES sums in registers, of kernels that are WIDTH · LANES columns wide.
template <class Type, int ROWS, int VECTORS, int WIDTH>
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
  for (; a != end; a += Type::STRIDE, b += WIDTH * LANES * Type::DEPTH)
    Type::step(total, a, apart, b, WIDTH * LANES);
#pragma GCC unroll 24
  for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v)
      store(product.out + row * product.out_apart + v * LANES, total[row][v]);
}

template <class Type, int VECTORS, int WIDTH>
constexpr auto blocks() {
  constexpr int most = REGISTERS / VECTORS > 14 ? 14 : REGISTERS / VECTORS;
  return []<int... I>(std::integer_sequence<int, I...>) {
    return std::array<void (*)(const Product<Type>&), most>{
        multiply_block<Type, I + 1, VECTORS, WIDTH>...};
  }(std::make_integer_sequence<int, most>{});
}

// Any number of rows, VECTORS · LANES columns of WIDTH · LANES.
template <class Type, int VECTORS, int WIDTH>
void multiply_columns(Product<Type> product, int rows) {
  static constexpr auto kernels = blocks<Type, VECTORS, WIDTH>();
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

// Any number of rows, VECTORS · LANES columns.
template <class Type, int VECTORS, int WIDTH = VECTORS>
void multiply(Product<Type> product, int rows) {
  if constexpr (VECTORS <= WIDEST) {
    multiply_columns<Type, VECTORS, WIDTH>(product, rows);
  } else {
    multiply_columns<Type, WIDEST, WIDTH>(product, rows);
    product.b += Type::place(0, WIDEST * LANES, WIDTH * LANES);
    product.start += WIDEST * LANES;
    product.out += WIDEST * LANES;
    multiply<Type, VECTORS - WIDEST, WIDTH>(product, rows);
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
