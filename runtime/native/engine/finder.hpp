// The network of the face finder: lgrnet.finder.network.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "layers.hpp"

namespace lgrnet {

// What decides the sizes of its arrays; runtime.finders.grids_native has the same.
struct FinderShape {
  int32_t widths[5], depths[4], features;
};

inline const FinderShape& checked(const FinderShape& shape) {
  constexpr int DEEPEST = 64;
  bool sound = shape.features > 0 && shape.features <= MOST_CHANNELS;
  for (int width : shape.widths) sound = sound && width > 0 && width <= MOST_CHANNELS;
  for (int depth : shape.depths) sound = sound && depth >= 0 && depth <= DEEPEST;
  if (!sound) unusable("there is no face finder of these sizes");
  return shape;
}

// A map for pictures of any size, whose memory grows with them.
class GrowingMap {
 public:
  View<float> sized(int height, int width, int channels) {
    channels = padded(channels);
    float* data = Scratch::reserve(numbers_, static_cast<size_t>(height) * width * channels);
    return {data, height, width, channels, width};
  }

 private:
  Buffer<float> numbers_;
};

// The memory of one thread.
struct RowScratch {
  Scratch products;
  Buffer<float> row;
};

// A 1 × 1 convolution: NAME.weight (out, in), NAME.bias (out).
class PointConvolution {
 public:
  PointConvolution(const Weights& weights, const std::string& name, int out, int in)
      : linear_(out, in, weights.get(name + ".weight", static_cast<int64_t>(out) * in),
                weights.get(name + ".bias", out), nullptr) {}

  int outputs() const { return linear_.outputs; }

  // Gives sink(column, channel, value) LANES channels of a row at a time; cells are `apart` numbers
  // apart.
  template <class Sink>
  void run_row(const float* row, int width, size_t apart, RowScratch& scratch,
               const Sink& sink) const {
    linear_.run(row, width, apart, scratch.products, sink);
  }

 private:
  Linear linear_;
};

// A 3 × 3 convolution of each channel, then one of all with ReLU, added to the input where it can
// be: NAME.depth.weight (3 · 3, in), NAME.depth.bias (in), NAME.point.
class Separable {
 public:
  Separable(const Weights& weights, const std::string& name, int out, int in, int stride = 1)
      : stride_(stride),
        adds_(stride == 1 && out == in),
        channels_(padded(in)),
        kernels_(static_cast<size_t>(10) * channels_),  // the last one is the bias
        point_(weights, name + ".point", out, in) {
    const float* weight = weights.get(name + ".depth.weight", int64_t{9} * in);
    for (int k = 0; k < 9; ++k) std::copy_n(weight + k * in, in, &kernels_[k * channels_]);
    std::copy_n(weights.get(name + ".depth.bias", in), in, &kernels_[9 * channels_]);
  }

  // Both sides of `in` are multiples of the stride.
  View<float> run(View<const float> in, GrowingMap& out, Threads& threads,
                  std::vector<RowScratch>& scratches) const {
    const View<float> to = out.sized(in.height / stride_, in.width / stride_, point_.outputs());
    threads.share(to.height, [&](int y, int thread) {
      RowScratch& scratch = scratches[thread];
      // The row, and behind it the zeros that lie above and below the map.
      const size_t length = static_cast<size_t>(to.width) * channels_;
      const size_t zeros = static_cast<size_t>(in.width) * channels_;
      float* row = Scratch::reserve(scratch.row, length + zeros);
      std::fill_n(row + length, zeros, 0.f);
      const float* lines[3];
      for (int k = 0; k < 3; ++k) {
        const int line = y * stride_ + k - 1;
        lines[k] = line >= 0 && line < in.height ? in.at(line, 0) : row + length;
      }
      convolve_row(lines, in.width, to.width, row);
      point_.run_row(row, to.width, channels_, scratch, [&](int x, int channel, Floats value) {
        value = max(value, all(0));
        if (adds_) value += load(in.at(y, x) + channel);
        store(to.at(y, x) + channel, value);
      });
    });
    return to;
  }

 private:
  int stride_;
  bool adds_;
  int channels_;
  Buffer<float> kernels_;
  PointConvolution point_;

  void convolve_row(const float* const (&lines)[3], int in_width, int width, float* out) const {
    for (int channel = 0; channel < channels_; channel += LANES) {
      Floats kernel[9];
      for (int k = 0; k < 9; ++k) kernel[k] = load(&kernels_[k * channels_ + channel]);
      const Floats bias = load(&kernels_[9 * channels_ + channel]);
      const auto cell = [&](int x, int first, int last) {
        Floats total = bias;
        for (int i = 0; i < 3; ++i)
          for (int j = first; j <= last; ++j) {
            const int column = x * stride_ + j - 1;
            total += load(lines[i] + static_cast<ptrdiff_t>(column) * channels_ + channel) *
                     kernel[3 * i + j];
          }
        store(out + static_cast<size_t>(x) * channels_ + channel, total);
      };
      const bool short_of_one =
          (width - 1) * stride_ + 1 >= in_width;  // the last one lacks a column
      cell(0, 1, width == 1 && short_of_one ? 1 : 2);
      for (int x = 1; x < width - short_of_one; ++x) cell(x, 0, 2);
      if (short_of_one && width > 1) cell(width - 1, 0, 1);
    }
  }
};

class FinderNetwork {
 public:
  static constexpr int CHANNELS = 15, COARSEST = 32;
  static constexpr int LARGEST = 1 << 15;  // side of a picture

  FinderNetwork(const FinderShape& shape, const Weights& weights, int threads)
      : shape_(checked(shape)),
        threads_(threads),
        scratches_(threads),
        stem_(weights, "stem", shape.widths[0], 27) {
    for (int stage = 0; stage < 4; ++stage) {
      const std::string name = "stages." + std::to_string(stage) + ".";
      const int in = shape.widths[stage], out = shape.widths[stage + 1];
      stages_.emplace_back();
      stages_.back().emplace_back(weights, name + "0", out, in, 2);
      for (int layer = 1; layer <= shape.depths[stage]; ++layer)
        stages_.back().emplace_back(weights, name + std::to_string(layer), out, out);
    }
    const int features = shape.features;
    for (int level = 0; level < 3; ++level) {
      const std::string number = "." + std::to_string(level);
      sides_.emplace_back(weights, "lateral" + number, features, shape.widths[2 + level]);
      smooth_.emplace_back(weights, "smooth" + number, features, features);
      for (int layer = 0; layer < 2; ++layer)
        heads_.emplace_back(weights, "head" + number + "." + std::to_string(layer), features,
                            features);
      outs_.emplace_back(weights, "out" + number, CHANNELS, features);
    }
  }

  // picture: (height, width, 3), BGR, both sides multiples of 32; grids: for each stride of 8, 16
  // and 32, (height / stride, width / stride, 15).
  void run(const uint8_t* picture, int height, int width, float* const (&grids)[3]) {
    for (int side : {height, width})
      if (side <= 0 || side > LARGEST || side % COARSEST)
        throw std::invalid_argument("a picture's sides are multiples of 32 up to 32768");
    View<const float> map = begin(picture, height, width);
    View<float> levels[3];
    for (int stage = 0; stage < 4; ++stage) {
      // Layers take turns with two maps, which the next stage needs no more.
      for (size_t layer = 0; layer < stages_[stage].size(); ++layer)
        map = stages_[stage][layer].run(map, turns_[turn_ ^= 1], threads_, scratches_);
      if (stage) levels[stage - 1] = lateral(stage - 1, map);
    }
    for (int level = 2; level >= 0; --level) {
      if (level < 2) add_twice(levels[level + 1], levels[level]);
      levels[level] = smooth_[level].run(levels[level], smoothed_[level], threads_, scratches_);
    }
    for (int level = 0; level < 3; ++level) {
      map = levels[level];
      for (int layer = 0; layer < 2; ++layer)
        map = heads_[2 * level + layer].run(map, turns_[layer], threads_, scratches_);
      say(level, map, grids[level]);
    }
  }

 private:
  FinderShape shape_;
  Threads threads_;
  std::vector<RowScratch> scratches_;
  PointConvolution stem_;
  std::vector<std::vector<Separable>> stages_;
  std::vector<PointConvolution> sides_, outs_;
  std::vector<Separable> smooth_, heads_;
  GrowingMap image_, start_, turns_[2], laterals_[3], smoothed_[3];
  int turn_ = 0;

  // Bytes to about -2 … 2, and the first convolution, of stride 2.
  View<const float> begin(const uint8_t* picture, int height, int width) {
    const int across = width + 2;  // with a column of zeros on each side
    const View<float> map = start_.sized(height / 2, width / 2, shape_.widths[0]);
    threads_.share(map.height, [&](int y, int thread) {
      // The three rows of each column side by side, so that the 27 numbers around a cell are too;
      // the next cell's begin two columns later.
      float* around = Scratch::reserve(scratches_[thread].row, static_cast<size_t>(9) * across);
      for (int k = 0; k < 3; ++k) {
        const int line = 2 * y + k - 1;
        const uint8_t* from = picture + static_cast<size_t>(line) * width * 3;
        for (int x = 0; x < across; ++x) {
          const bool inside = line >= 0 && line < height && x > 0 && x <= width;
          for (int c = 0; c < 3; ++c)
            around[9 * x + 3 * k + c] = inside ? (from[3 * (x - 1) + c] - 127.5f) / 64.f : 0.f;
        }
      }
      stem_.run_row(around, map.width, 18, scratches_[thread],
                    [&](int x, int channel, Floats value) {
                      store(map.at(y, x) + channel, max(value, all(0)));
                    });
    });
    return map;
  }

  View<float> lateral(int level, View<const float> map) {
    const PointConvolution& side = sides_[level];
    const View<float> to = laterals_[level].sized(map.height, map.width, side.outputs());
    threads_.share(map.height, [&](int y, int thread) {
      side.run_row(map.at(y, 0), map.width, map.channels, scratches_[thread],
                   [&](int x, int channel, Floats value) {
                     store(to.at(y, x) + channel, max(value, all(0)));
                   });
    });
    return to;
  }

  // Adds a map to one of twice its sides, each cell to four.
  void add_twice(View<const float> small, View<float> large) {
    threads_.share(large.height, [&](int y, int) {
      for (int x = 0; x < large.width; ++x)
        for (int c = 0; c < large.channels; c += LANES)
          store(large.at(y, x) + c, load(large.at(y, x) + c) + load(small.at(y / 2, x / 2) + c));
    });
  }

  void say(int level, View<const float> map, float* grid) {
    const PointConvolution& out = outs_[level];
    threads_.share(map.height, [&](int y, int thread) {
      out.run_row(map.at(y, 0), map.width, map.channels, scratches_[thread],
                  [&](int x, int channel, Floats value) {
                    float numbers[LANES];
                    store(numbers, value);
                    float* to = grid + (static_cast<size_t>(y) * map.width + x) * CHANNELS;
                    for (int lane = 0; lane < LANES && channel + lane < CHANNELS; ++lane)
                      to[channel + lane] = numbers[lane];
                  });
    });
  }
};

}  // namespace lgrnet
