// Convolutions and linear layers over maps, made of the parts below them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "map.hpp"
#include "threads.hpp"
#include "weights.hpp"
#include "winograd.hpp"

namespace lgrnet {

// Reads groups × a convolution: NAME.weight (groups · out, in, 3, 3), NAME.bias (groups · out) and,
// if it is to be in 8 bits, NAME.range (groups, positions).
template <int OUT>
std::vector<Winograd<OUT>> read_convolutions(const Weights& weights, const std::string& name,
                                             int groups, int out, int in) {
  const int64_t size = static_cast<int64_t>(out) * in * 9;
  const float* weight = weights.get(name + ".weight", groups * size);
  const float* bias = weights.get(name + ".bias", static_cast<int64_t>(groups) * out);
  constexpr int POSITIONS = Winograd<OUT>::POSITIONS;
  const float* range = weights.find(name + ".range", groups * POSITIONS);
  std::vector<Winograd<OUT>> convolutions;
  for (int group = 0; group < groups; ++group)
    convolutions.emplace_back(out, in, weight + group * size, bias + group * out,
                              range ? range + group * POSITIONS : nullptr);
  return convolutions;
}

constexpr int MOST_CHANNELS = 4096;  // of a map; runtime.native.model.WIDEST

// Where the tiles of a map lie in memory; cells outside of it are zero.
class PaddedTiles {
 public:
  explicit PaddedTiles(View<const float> map) : map_(map) {}

  template <size_t POSITIONS>
  void operator()(int y, int x, const float* (&from)[POSITIONS], float*) const {
    constexpr int SIDE = POSITIONS == 16 ? 4 : 6, OUT = SIDE - 2;
    const int top = OUT * y - 1, left = OUT * x - 1;
    if (top >= 0 && left >= 0 && top + SIDE <= map_.height && left + SIDE <= map_.width) {
      for (int i = 0; i < SIDE; ++i)
        for (int j = 0; j < SIDE; ++j) from[SIDE * i + j] = map_.at(top + i, left + j);
      return;
    }
    static constexpr float zeros[MOST_CHANNELS] = {};
    for (int i = 0; i < SIDE; ++i) {
      const int row = top + i;
      for (int j = 0; j < SIDE; ++j) {
        const int column = left + j;
        const bool inside = row >= 0 && row < map_.height && column >= 0 && column < map_.width;
        from[SIDE * i + j] = inside ? map_.at(row, column) : zeros;
      }
    }
  }

 private:
  View<const float> map_;
};

inline int tiles_along(int cells, int out = 2) { return (cells + out - 1) / out; }

constexpr int side_of(size_t cells) { return cells == 4 ? 2 : 4; }

// Writes outputs, perhaps with ReLU; what lies beyond the map is dropped.
class StoreTiles {
 public:
  StoreTiles(View<float> map, bool relu) : map_(map), relu_(relu) {}

  template <size_t VECTORS, size_t CELLS>
  void operator()(int tile, int channel, const Floats (&out)[VECTORS][CELLS]) const {
    constexpr int OUT = side_of(CELLS);
    const int across = tiles_along(map_.width, OUT);
    const int y = tile / across * OUT, x = tile % across * OUT;
    for (int cell = 0; cell < OUT * OUT; ++cell) {
      if (y + cell / OUT >= map_.height || x + cell % OUT >= map_.width) continue;
      float* to = map_.at(y + cell / OUT, x + cell % OUT) + channel;
      for (size_t v = 0; v < VECTORS; ++v)
        store(to + v * LANES, relu_ ? max(out[v][cell], all(0)) : out[v][cell]);
    }
  }

 private:
  View<float> map_;
  bool relu_;
};

// The same, with ReLU and a 2 × 2 max-pool.
class PoolTiles {
 public:
  explicit PoolTiles(View<float> map) : map_(map) {}

  template <size_t VECTORS, size_t CELLS>
  void operator()(int tile, int channel, const Floats (&out)[VECTORS][CELLS]) const {
    constexpr int OUT = side_of(CELLS), POOLED = OUT / 2;
    const int across = tiles_along(map_.width, POOLED);
    const int y = tile / across * POOLED, x = tile % across * POOLED;
    for (int cell = 0; cell < POOLED * POOLED; ++cell) {
      const int row = cell / POOLED, column = cell % POOLED;
      if (y + row >= map_.height || x + column >= map_.width) continue;
      float* to = map_.at(y + row, x + column) + channel;
      const int at = 2 * (row * OUT + column);
      for (size_t v = 0; v < VECTORS; ++v) {
        const Floats upper = max(out[v][at], out[v][at + 1]);
        const Floats lower = max(out[v][at + OUT], out[v][at + OUT + 1]);
        store(to + v * LANES, max(max(upper, lower), all(0)));
      }
    }
  }

 private:
  View<float> map_;
};

// Convolutions of one layer, group by group, with tiles of 2 × 2 or 4 × 4 outputs: NAME.tile.
class Convolutions {
 public:
  Convolutions(const Weights& weights, const std::string& name, int groups, int out, int in)
      : side(static_cast<int>(*weights.get(name + ".tile", 1))) {
    if (side != 2 && side != 4) unusable("array " + name + ".tile is not 2 or 4");
    if (side == 4)
      large = read_convolutions<4>(weights, name, groups, out, in);
    else
      small = read_convolutions<2>(weights, name, groups, out, in);
  }

  int outputs() const { return side == 4 ? large[0].outputs : small[0].outputs; }
  int together() const { return side == 4 ? Winograd<4>::TILES : Winograd<2>::TILES; }

  template <class Sink>
  void run(int group, int first, int last, int across, const PaddedTiles& source, Scratch& scratch,
           const Sink& sink) const {
    if (side == 4)
      large[group].run(first, last, across, source, scratch, sink);
    else
      small[group].run(first, last, across, source, scratch, sink);
  }

  int side;  // of a tile
  std::vector<Winograd<2>> small;
  std::vector<Winograd<4>> large;
};

// Three blocks of [convolution, ReLU] twice and a 2 × 2 max-pool:
// lgrnet.network.features.FeatureBlocks.
class Blocks {
 public:
  struct Maps {
    Map wide[3], pooled[3];
  };

  Blocks(const Weights& weights, const std::string& name, int groups, int in, const int* widths) {
    for (int layer = 0; layer < 6; ++layer) {
      const int inputs = layer % 2 ? widths[layer / 2] : layer ? widths[layer / 2 - 1] : in;
      layers.emplace_back(weights, name + "." + std::to_string(layer), groups, widths[layer / 2],
                          inputs);
    }
  }

  Maps make_maps(int height, int width) const {
    Maps maps;
    for (int block = 0; block < 3; ++block) {
      const int channels = layers[2 * block].outputs();
      maps.wide[block] = Map(height, width, channels);
      maps.pooled[block] = Map(height /= 2, width /= 2, channels);
    }
    return maps;
  }

  // Runs one group on one thread; the result is maps.pooled[2].
  void run(int group, View<const float> in, Maps& maps, Scratch& scratch) const {
    for (int layer = 0; layer < 6; ++layer)
      run_tiles(layer, group, input(layer, in, maps), maps, 0, tiles(layer, maps), scratch);
  }

  // Runs several networks of one group side by side, layer by layer, on all threads.
  static void run_shared(const std::vector<std::pair<const Blocks*, Maps*>>& jobs,
                         View<const float> in, Threads& threads, std::vector<Scratch>& scratches) {
    for (int layer = 0; layer < 6; ++layer) {
      std::vector<std::array<int, 3>> parts;  // job, first and last tile
      for (int job = 0; job < static_cast<int>(jobs.size()); ++job) {
        const auto& [blocks, maps] = jobs[job];
        const int total = blocks->tiles(layer, *maps), step = blocks->layers[layer].together();
        for (int first = 0; first < total; first += step)
          parts.push_back({job, first, std::min(first + step, total)});
      }
      threads.share(static_cast<int>(parts.size()), [&](int item, int thread) {
        const auto [job, first, last] = parts[item];
        const auto& [blocks, maps] = jobs[job];
        blocks->run_tiles(layer, 0, input(layer, in, *maps), *maps, first, last, scratches[thread]);
      });
    }
  }

  std::vector<Convolutions> layers;

 private:
  static View<const float> input(int layer, View<const float> in, const Maps& maps) {
    if (layer == 0) return in;
    return (layer % 2 ? maps.wide[layer / 2] : maps.pooled[layer / 2 - 1]).view();
  }

  // Before a pool nobody needs what lies beyond an even side.
  int along(int layer, int wide, int pooled) const {
    const int side = layers[layer].side;
    return layer % 2 ? tiles_along(pooled, side / 2) : tiles_along(wide, side);
  }
  int across(int layer, const Maps& maps) const {
    return along(layer, maps.wide[layer / 2].width, maps.pooled[layer / 2].width);
  }
  int tiles(int layer, const Maps& maps) const {
    return along(layer, maps.wide[layer / 2].height, maps.pooled[layer / 2].height) *
           across(layer, maps);
  }

  void run_tiles(int layer, int group, View<const float> in, Maps& maps, int first, int last,
                 Scratch& scratch) const {
    const int columns = across(layer, maps);
    if (layer % 2)
      layers[layer].run(group, first, last, columns, PaddedTiles(in), scratch,
                        PoolTiles(maps.pooled[layer / 2].view()));
    else
      layers[layer].run(group, first, last, columns, PaddedTiles(in), scratch,
                        StoreTiles(maps.wide[layer / 2].view(), true));
  }
};

// rows × inputs → rows × outputs: a 1 × 1 convolution, in floating point or 8 bits.
class Linear : public Observed {
 public:
  int inputs = 0, outputs = 0;

  // weight: (out, in), bias: (out); range: the largest input, or null for floating point.
  Linear(int out, int in, const float* weight, const float* bias, const float* range)
      : Observed(1),
        inputs(padded(in)),
        outputs(padded(out)),
        quantised_(range != nullptr),
        bias_(outputs),
        scale_(outputs),
        start_(outputs) {
    std::copy(bias, bias + out, bias_.data());
    if (quantised_) {
      kernels8_ = Buffer<Kernel8>(static_cast<size_t>(inputs) * outputs);
      input_scale_ = 127.f / std::max(*range, 1e-20f);
    } else {
      kernels_ = Buffer<float>(static_cast<size_t>(inputs) * outputs);
    }
    for (int o = 0; o < out; ++o) pack(o, in, weight + static_cast<size_t>(o) * in);
  }

  // Gives sink(row, output, value) LANES outputs at a time. Rows are `apart` numbers apart, which
  // may be fewer than they hold in floating point.
  template <class Sink>
  void run(const float* in, int rows, size_t apart, Scratch& scratch, const Sink& sink) const {
    if (observing_)
      for (int row = 0; row < rows; ++row) seen_[0].add(in + row * apart, inputs);
    Input8* rounded = nullptr;
    if (quantised_) {
      // Four rows beside each other, see store_rounded; what is left over is computed for nothing.
      const int fours = (rows + 3) / 4;
      rounded = Scratch::reserve(scratch.rounded[0], static_cast<size_t>(4) * fours * inputs);
      for (int four = 0; four < fours; ++four)
        for (int c = 0; c < inputs; c += LANES) {
          Floats scaled[4] = {};
          for (int i = 0; i < 4 && 4 * four + i < rows; ++i)
            scaled[i] = load(in + (4 * four + i) * apart + c) * input_scale_;
          store_rounded(rounded + static_cast<size_t>(4) * (four * inputs + c), scaled);
        }
    }
    int32_t* sums = Scratch::reserve(scratch.sums[0], static_cast<size_t>(rows + 3) * BLOCK);
    for (int first = 0; first < outputs; first += BLOCK) {
      const int width = std::min(BLOCK, outputs - first);
      const size_t kernel = static_cast<size_t>(first) * inputs;
      with_vectors(width / LANES, [&]<int VECTORS>() {
        if (quantised_) {
          for (int i = 0; i < 4; ++i)  // every fourth row
            multiply<Int8, VECTORS>(
                {rounded + 4 * i, static_cast<size_t>(4) * inputs, kernels8_.data() + kernel,
                 inputs, start_.data() + first, sums + i * width, static_cast<size_t>(4) * width},
                (rows + 3) / 4);
        } else {
          multiply<Float32, VECTORS>(
              {in, apart, kernels_.data() + kernel, inputs, bias_.data() + first,
               reinterpret_cast<float*>(sums), static_cast<size_t>(width)},
              rows);
        }
      });
      for (int row = 0; row < rows; ++row)
        for (int n = 0; n < width; n += LANES) {
          const int32_t* at = sums + row * width + n;
          sink(row, first + n,
               quantised_ ? to_floats(load(at)) * load(&scale_[first + n]) + load(&bias_[first + n])
                          : load(reinterpret_cast<const float*>(at)));
        }
    }
  }

 private:
  static constexpr int BLOCK = MOST_VECTORS * LANES;
  bool quantised_;
  float input_scale_ = 0;
  Buffer<float> bias_, scale_, kernels_;
  Buffer<int32_t> start_;
  Buffer<Kernel8> kernels8_;

  void pack(int o, int in, const float* row) {
    const int first = o / BLOCK * BLOCK, width = std::min(BLOCK, outputs - first);
    const size_t begin = static_cast<size_t>(first) * inputs;
    if (!quantised_) {
      for (int c = 0; c < in; ++c) kernels_[begin + Float32::place(c, o - first, width)] = row[c];
      return;
    }
    float largest = 1e-20f;
    for (int c = 0; c < in; ++c) largest = std::max(largest, std::fabs(row[c]));
    int32_t total = 0;
    for (int c = 0; c < in; ++c) {
      const int number = static_cast<int>(std::lrint(row[c] * 127.f / largest));
      kernels8_[begin + Int8::place(c, o - first, width)] = static_cast<Kernel8>(number);
      total += number;
    }
    start_[o] = -OFFSET * total;
    scale_[o] = largest / (127.f * input_scale_);
  }
};

}  // namespace lgrnet
