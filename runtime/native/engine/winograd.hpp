// 3 × 3 convolutions by Winograd's F(m × m, 3 × 3) (Lavin and Gray 2016): from a tile of
// (m + 2) × (m + 2) inputs to m × m outputs with one product a channel pair and input, which is 16
// instead of 36 for m = 2, and 36 instead of 144 for m = 4.
//
// Input tiles d and kernels g are transformed, V = Bᵀ d B and U = G g Gᵀ; for each position in the
// tile Σ_c V U is a matrix product over all tiles; the outputs are Y = Aᵀ (V ⊙ U) A. In 8 bits it
// is V and U that are rounded, with a scale for each position, and for each output of U: their
// ranges differ between positions by an order of magnitude (as in LoWino, Li et al., ICPP 2021).
// Rounding costs more with m = 4, whose transforms weigh their inputs by up to 5 and 8.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "histogram.hpp"
#include "map.hpp"
#include "product.hpp"

namespace lgrnet {

// The transforms, on a vector of channels at a time.
template <int OUT>
struct Transform;

template <>
struct Transform<2> {
  static constexpr int TILES = 24;  // that are worked on together, so that they stay in the cache

  // Bᵀ of a column, `apart` numbers apart, in place.
  static void input(Floats* d, int apart) {
    const Floats a = d[0], b = d[apart], c = d[2 * apart], e = d[3 * apart];
    d[0] = a - c, d[apart] = b + c, d[2 * apart] = c - b, d[3 * apart] = b - e;
  }
  // Aᵀ of a column.
  static void output(const Floats* m, int apart, Floats* out, int out_apart) {
    const Floats a = m[0], b = m[apart], c = m[2 * apart], e = m[3 * apart];
    out[0] = a + b + c, out[out_apart] = b - c - e;
  }
  // G of a column.
  static void kernel(const float* g, int apart, float* u, int u_apart) {
    const float a = g[0], b = g[apart], c = g[2 * apart];
    u[0] = a, u[u_apart] = (a + b + c) / 2, u[2 * u_apart] = (a - b + c) / 2, u[3 * u_apart] = c;
  }
};

template <>
struct Transform<4> {
  static constexpr int TILES = 16;

  static void input(Floats* d, int apart) {
    const Floats a = d[0], b = d[apart], c = d[2 * apart], e = d[3 * apart], f = d[4 * apart],
                 h = d[5 * apart];
    const Floats even = f - 4.f * c, odd = e - 4.f * b, near = f - c, far = 2.f * (e - b);
    d[0] = 4.f * a - 5.f * c + f;
    d[apart] = even + odd, d[2 * apart] = even - odd;
    d[3 * apart] = near + far, d[4 * apart] = near - far;
    d[5 * apart] = 4.f * b - 5.f * e + h;
  }
  static void output(const Floats* m, int apart, Floats* out, int out_apart) {
    const Floats one = m[apart] + m[2 * apart], one_odd = m[apart] - m[2 * apart];
    const Floats two = m[3 * apart] + m[4 * apart], two_odd = m[3 * apart] - m[4 * apart];
    out[0] = m[0] + one + two;
    out[out_apart] = one_odd + 2.f * two_odd;
    out[2 * out_apart] = one + 4.f * two;
    out[3 * out_apart] = one_odd + 8.f * two_odd + m[5 * apart];
  }
  static void kernel(const float* g, int apart, float* u, int u_apart) {
    const float a = g[0], b = g[apart], c = g[2 * apart];
    u[0] = a / 4;
    u[u_apart] = -(a + b + c) / 6, u[2 * u_apart] = -(a - b + c) / 6;
    u[3 * u_apart] = (a / 4 + b / 2 + c) / 6, u[4 * u_apart] = (a / 4 - b / 2 + c) / 6;
    u[5 * u_apart] = c;
  }
};

// What a thread needs to convolve; grows to what the largest convolution takes.
struct Scratch {
  Buffer<Input8> rounded[2];
  Buffer<float> floats[2];
  Buffer<int32_t> sums[2];

  template <class Number>
  static Number* reserve(Buffer<Number>& buffer, size_t size) {
    if (buffer.size() < size) buffer = Buffer<Number>(size);
    return buffer.data();
  }
};

// A kernel, transformed and laid out in the order in which it is read.
template <int OUT>
class Winograd : public Observed {
 public:
  static constexpr int SIDE = OUT + 2, POSITIONS = SIDE * SIDE, CELLS = OUT * OUT;
  static constexpr int TILES = Transform<OUT>::TILES;

  int inputs, outputs;  // both multiples of LANES
  bool quantised;

  // weight: (out, in, 3, 3); bias: (out), or null for zeros; range: largest |V| of each
  // position, or null to compute in 32-bit floating point.
  Winograd(int out, int in, const float* weight, const float* bias, const float* range)
      : Observed(POSITIONS),
        inputs(padded(in)),
        outputs(padded(out)),
        quantised(range != nullptr),
        bias_(outputs) {
    if (bias) std::copy(bias, bias + out, bias_.data());
    for (int first = 0; first < outputs;) {
      // As equal parts as can be, 10 vectors being 4 + 3 + 3, but of whole blocks where these are
      // smaller: 4 + 4 + 2.
      const int left = (outputs - first) / LANES, count = (left + MOST_VECTORS - 1) / MOST_VECTORS;
      const int share = (left + count - 1) / count;
      const int whole = WIDEST == MOST_VECTORS ? share : (share + WIDEST - 1) / WIDEST * WIDEST;
      parts_.push_back({first, std::min(left, whole)});
      first += parts_.back().vectors * LANES;
    }
    const size_t size = static_cast<size_t>(POSITIONS) * inputs * outputs;
    if (quantised) {
      kernels8_ = Buffer<Kernel8>(size);
      start_ = Buffer<int32_t>(POSITIONS * outputs);
      scale_ = Buffer<float>(POSITIONS * outputs);
      for (int p = 0; p < POSITIONS; ++p) input_scale_[p] = 127.f / std::max(range[p], 1e-20f);
    } else {
      kernels_ = Buffer<float>(size);
    }
    std::vector<float> transformed(static_cast<size_t>(POSITIONS) * inputs);
    for (int o = 0; o < out; ++o) {
      for (int c = 0; c < in; ++c) {
        transform_kernel(weight + (static_cast<size_t>(o) * in + c) * 9, &transformed[c], inputs);
      }
      pack(o, in, transformed.data());
    }
  }

  // Convolves tiles first … last − 1, in reading order, `across` of them in a row.
  //
  // source(y, x, from, factor) says where the cells of the tile (y, x) begin, and what they are
  // to be multiplied with if WEIGHTED. sink(tile, channel, out) takes out[vector][cell], the
  // outputs of channels from `channel` on.
  template <class Source, class Sink>
  void run(int first, int last, int across, const Source& source, Scratch& scratch,
           const Sink& sink) const {
    for (; first < last; first += TILES) {
      const int count = std::min(TILES, last - first);
      const auto place = [&](int i) {
        return std::pair{(first + i) / across, (first + i) % across};
      };
      transform<false>(count, place, source, scratch, 0);
      for (const Part& part : parts_) {
        with_vectors(part.vectors, [&]<int VECTORS>() {
          multiply_positions<VECTORS>(part, count, scratch, 0);
          for (int tile = 0; tile < count; ++tile) {
            Floats out[VECTORS][CELLS];
            for (int v = 0; v < VECTORS; ++v) {
              Floats product[POSITIONS];
              read<VECTORS>(part, v, tile, scratch, 0, product);
              collect(product, out[v]);
            }
            sink(first + tile, part.first, out);
          }
        });
      }
    }
  }

  // Some of the outputs, whose products are made at once.
  struct Part {
    int first;  // channel
    int vectors;
  };
  const std::vector<Part>& parts() const { return parts_; }

  // The product to which a bias is added: it counts once in each of the outputs.
  static constexpr int BIASED = SIDE + 1;
  Floats bias(const Part& part, int v) const { return load(&bias_[part.first + v * LANES]); }

  // The steps of `run`, for who puts them together in another way. `slot` picks one of two places
  // in the scratch.

  // V of `count` tiles; place(i) is where the tile is, (y, x).
  template <bool WEIGHTED, class Place, class Source>
  void transform(int count, const Place& place, const Source& source, Scratch& scratch,
                 int slot) const {
    const size_t size = static_cast<size_t>(POSITIONS) * count * inputs;
    Input8* rounded = quantised ? Scratch::reserve(scratch.rounded[slot], size) : nullptr;
    float* floats = quantised ? nullptr : Scratch::reserve(scratch.floats[slot], size);
    for (int i = 0; i < count; ++i) {
      const auto [y, x] = place(i);
      const float* from[POSITIONS];
      float factor[POSITIONS];
      source(y, x, from, factor);
      const size_t begin = static_cast<size_t>(i) * POSITIONS * inputs;
      for (int c = 0; c < inputs; c += LANES) {
        Floats d[POSITIONS];
        for (int p = 0; p < POSITIONS; ++p) {
          d[p] = load(from[p] + c);
          if (WEIGHTED) d[p] *= factor[p];
        }
        transform_input(d);
        if (quantised) {
          // Four positions beside each other, see store_rounded.
          for (int four = 0; four < POSITIONS / 4; ++four) {
            Floats scaled[4];
            for (int p = 0; p < 4; ++p) scaled[p] = d[4 * four + p] * input_scale_[4 * four + p];
            store_rounded(rounded + begin + static_cast<size_t>(4) * (four * inputs + c), scaled);
          }
        } else {
          for (int p = 0; p < POSITIONS; ++p) store(floats + begin + p * inputs + c, d[p]);
          if (observing_)
            for (int p = 0; p < POSITIONS; ++p) seen_[p].add(d[p]);
        }
      }
    }
  }

  // V times U: sums of one part, (tiles, positions, VECTORS · LANES).
  template <int VECTORS>
  void multiply_positions(const Part& part, int count, Scratch& scratch, int slot) const {
    constexpr size_t width = VECTORS * LANES;
    const size_t apart = static_cast<size_t>(POSITIONS) * inputs;
    int32_t* sums = Scratch::reserve(scratch.sums[slot], POSITIONS * width * count);
    for (int p = 0; p < POSITIONS; ++p) {
      const size_t kernel = begin(part, p) * inputs;
      int32_t* out = sums + p * width;
      if (quantised) {
        const Input8* a = scratch.rounded[slot].data() + p / 4 * 4 * inputs + p % 4 * 4;
        multiply<Int8, VECTORS>({a, apart, kernels8_.data() + kernel, inputs,
                                 start_.data() + begin(part, p), out, POSITIONS * width},
                                count);
      } else {
        static constexpr float zeros[width] = {};
        const float* a = scratch.floats[slot].data() + p * inputs;
        const float* start = p == BIASED ? bias_.data() + part.first : zeros;
        multiply<Float32, VECTORS>({a, apart, kernels_.data() + kernel, inputs, start,
                                    reinterpret_cast<float*>(out), POSITIONS * width},
                                   count);
      }
    }
  }

  // The products of one tile and one vector of outputs, as floating point.
  template <int VECTORS>
  void read(const Part& part, int v, int tile, const Scratch& scratch, int slot,
            Floats (&product)[POSITIONS]) const {
    constexpr int width = VECTORS * LANES;
    const int32_t* from =
        scratch.sums[slot].data() + static_cast<size_t>(tile) * POSITIONS * width + v * LANES;
    if (quantised) {
      const float* scale = scale_.data() + begin(part, 0) + v * LANES;
      for (int p = 0; p < POSITIONS; ++p)
        product[p] = to_floats(load(from + p * width)) * load(scale + p * width);
      product[BIASED] += bias(part, v);
    } else {
      for (int p = 0; p < POSITIONS; ++p)
        product[p] = load(reinterpret_cast<const float*>(from) + p * width);
    }
  }

  // Aᵀ m A.
  static void collect(const Floats (&m)[POSITIONS], Floats (&out)[CELLS]) {
    Floats rows[OUT * SIDE];
    for (int x = 0; x < SIDE; ++x) Transform<OUT>::output(m + x, SIDE, rows + x, SIDE);
    for (int y = 0; y < OUT; ++y) Transform<OUT>::output(rows + y * SIDE, 1, out + y * OUT, 1);
  }

 private:
  std::vector<Part> parts_;
  Buffer<Kernel8> kernels8_;
  Buffer<float> kernels_;
  Buffer<int32_t> start_;  // what makes up for inputs being stored OFFSET too high
  Buffer<float> scale_;    // from sums to outputs
  Buffer<float> bias_;
  std::array<float, POSITIONS> input_scale_{};

  // Where a part's numbers of a position begin, in arrays of (part, position, output).
  static size_t begin(const Part& part, int position) {
    return static_cast<size_t>(POSITIONS) * part.first +
           static_cast<size_t>(position) * part.vectors * LANES;
  }

  // Bᵀ d B, in place.
  static void transform_input(Floats (&d)[POSITIONS]) {
    for (int x = 0; x < SIDE; ++x) Transform<OUT>::input(d + x, SIDE);
    for (int y = 0; y < SIDE; ++y) Transform<OUT>::input(d + y * SIDE, 1);
  }

  // G g Gᵀ, position p to out[p · apart].
  static void transform_kernel(const float* g, float* out, int apart) {
    float rows[SIDE * 3];
    for (int x = 0; x < 3; ++x) Transform<OUT>::kernel(g + x, 3, rows + x, 3);
    for (int y = 0; y < SIDE; ++y)
      Transform<OUT>::kernel(rows + y * 3, 1, out + y * SIDE * apart, apart);
  }

  // Puts the transformed kernels of one output, (positions, inputs), where they will be read.
  void pack(int o, int in, const float* transformed) {
    const Part* part = &parts_.front();
    while (o >= part->first + part->vectors * LANES) ++part;
    const int width = part->vectors * LANES, column = o - part->first;
    for (int p = 0; p < POSITIONS; ++p) {
      const float* row = transformed + static_cast<size_t>(p) * inputs;
      const size_t first = begin(*part, p) * inputs;
      if (!quantised) {
        for (int c = 0; c < in; ++c) kernels_[first + Float32::place(c, column, width)] = row[c];
        continue;
      }
      float largest = 1e-20f;
      for (int c = 0; c < in; ++c) largest = std::max(largest, std::fabs(row[c]));
      const float scale = 127.f / largest;
      int32_t total = 0;
      for (int c = 0; c < in; ++c) {
        const int number = static_cast<int>(std::lrint(row[c] * scale));
        kernels8_[first + Int8::place(c, column, width)] = static_cast<Kernel8>(number);
        total += number;
      }
      start_[begin(*part, p) + column] = -OFFSET * total;
      scale_[begin(*part, p) + column] = 1.f / (scale * input_scale_[p]);
    }
  }
};

}  // namespace lgrnet
