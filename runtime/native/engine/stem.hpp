// Hierarchical and multi-scale region learning: lgrnet.network.region.
#pragma once

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "layers.hpp"

namespace lgrnet {

// Scale and shift of batch norms: NAME.scale and NAME.shift, (groups, channels).
class Affine {
 public:
  Affine(const Weights& weights, const std::string& name, int groups, int channels)
      : channels_(padded(channels)),
        scale_(static_cast<size_t>(groups) * channels_),
        shift_(static_cast<size_t>(groups) * channels_) {
    const int64_t size = static_cast<int64_t>(groups) * channels;
    const float* scale = weights.get(name + ".scale", size);
    const float* shift = weights.get(name + ".shift", size);
    for (int group = 0; group < groups; ++group)
      for (int c = 0; c < channels; ++c) {
        scale_[group * channels_ + c] = scale[group * channels + c];
        shift_[group * channels_ + c] = shift[group * channels + c];
      }
  }

  // ReLU(scale · x + shift) of LANES channels.
  Floats relu(Floats x, int group, int channel) const {
    const size_t at = static_cast<size_t>(group) * channels_ + channel;
    return max(x * load(&scale_[at]) + load(&shift_[at]), all(0));
  }

 private:
  int channels_;
  Buffer<float> scale_, shift_;
};

// BN-ReLU-conv on each of tiles × tiles regions, with weights and zero padding of its own.
class RegionLayer {
 public:
  RegionLayer(const Weights& weights, const std::string& name, int tiles, int in, int out)
      : convolutions(read_convolutions<2>(weights, name, tiles * tiles, out, in)),
        tiles_(tiles),
        norm_(weights, name, tiles * tiles, in) {}

  void run(View<const float> in, View<float> out, Threads& threads, std::vector<Scratch>& scratches,
           std::vector<Buffer<float>>& activated) const {
    const int height = in.height / tiles_, width = in.width / tiles_;
    threads.share(tiles_ * tiles_, [&](int region, int thread) {
      const int y = region / tiles_ * height, x = region % tiles_ * width;
      float* to =
          Scratch::reserve(activated[thread], static_cast<size_t>(height) * width * in.channels);
      const View<float> inside{to, height, width, in.channels, width};
      for (int row = 0; row < height; ++row)
        for (int column = 0; column < width; ++column)
          for (int c = 0; c < in.channels; c += LANES)
            store(inside.at(row, column) + c,
                  norm_.relu(load(in.at(y + row, x + column) + c), region, c));
      const int across = tiles_along(width);
      convolutions[region].run(0, across * tiles_along(height), across, PaddedTiles(inside),
                               scratches[thread],
                               StoreTiles(out.window(y, x, height, width), false));
    });
  }

  std::vector<Winograd<2>> convolutions;

 private:
  int tiles_;
  Affine norm_;
};

// A region unit and the 2 × 2 max-pool after it; its first convolution is the caller's.
class RegionUnit {
 public:
  RegionUnit(const Weights& weights, const std::string& name, int channels, int height, int width)
      : fine(weights, name + ".fine", 8, channels, channels / 2),
        middle(weights, name + ".middle", 4, channels / 2, channels / 4),
        coarse(weights, name + ".coarse", 2, channels / 4, channels / 4),
        start(height, width, channels),
        pooled(height / 2, width / 2, channels),
        channels_(channels),
        norm_(weights, name + ".norm", 1, channels),
        fine_(height, width, channels / 2),
        middle_(height, width, channels / 4),
        coarse_(height, width, channels / 4) {}

  // From `start` to `pooled`.
  void run(Threads& threads, std::vector<Scratch>& scratches,
           std::vector<Buffer<float>>& activated) {
    fine.run(start.view(), fine_.view(), threads, scratches, activated);
    middle.run(fine_.view(), middle_.view(), threads, scratches, activated);
    coarse.run(middle_.view(), coarse_.view(), threads, scratches, activated);
    threads.share(pooled.height, [&](int row, int thread) {
      // Whole vectors are copied, the next part writing over what is too much.
      float* beside = Scratch::reserve(activated[thread], start.channels + 2 * LANES);
      const auto copy = [](const Map& map, int y, int x, float* to) {
        const float* from = map.view().at(y, x);
        for (int c = 0; c < map.channels; c += LANES) store(to + c, load(from + c));
      };
      const int half = channels_ / 2, quarter = channels_ / 4;
      for (int column = 0; column < pooled.width; ++column) {
        float* to = pooled.view().at(row, column);
        for (int cell = 0; cell < 4; ++cell) {
          const int y = 2 * row + cell / 2, x = 2 * column + cell % 2;
          copy(fine_, y, x, beside);
          copy(middle_, y, x, beside + half);
          copy(coarse_, y, x, beside + half + quarter);
          const float* from = start.view().at(y, x);
          for (int c = 0; c < start.channels; c += LANES) {
            const Floats value = norm_.relu(load(from + c) + load(beside + c), 0, c);
            store(to + c, cell ? max(load(to + c), value) : value);
          }
        }
      }
    });
  }

  RegionLayer fine, middle, coarse;
  Map start, pooled;

 private:
  int channels_;
  Affine norm_;
  Map fine_, middle_, coarse_;
};

// From a face, BGR bytes, to F.
class Stem {
 public:
  Stem(const Weights& weights, int crop, int input, int stride, const int* widths)
      : first(widths[0], 27, weights.get("stem.0.conv.weight", 27 * widths[0]),
              weights.get("stem.0.conv.bias", widths[0]), nullptr),
        second(read_convolutions<2>(weights, "stem.1.conv", 1, widths[1], widths[0])),
        units{{weights, "stem.0", widths[0], input / stride, input / stride},
              {weights, "stem.1", widths[1], input / stride / 2, input / stride / 2}},
        crop_(crop),
        input_(input),
        stride_(stride),
        image_(static_cast<size_t>(input + 2) * (input + 2) * 3) {}

  // F, (h, w, C); valid until the next face.
  View<const float> run(const uint8_t* face, Threads& threads, std::vector<Scratch>& scratches,
                        std::vector<Buffer<float>>& rows) {
    read(face, threads);
    Map& map = units[0].start;
    threads.share(map.height, [&](int y, int thread) {
      // The three rows of each column side by side, so that the 27 numbers around a cell are too;
      // the next cell's begin `apart` numbers later.
      const size_t apart = 9 * stride_;
      const int columns = input_ + 2;
      float* around =
          Scratch::reserve(rows[thread], static_cast<size_t>(columns) * 9 + first.inputs);
      for (int k = 0; k < 3; ++k) {
        const float* from = &image_[static_cast<size_t>(y * stride_ + k) * columns * 3];
        for (int x = 0; x < columns; ++x)
          for (int c = 0; c < 3; ++c) around[9 * x + 3 * k + c] = from[3 * x + c];
      }
      first.run(around, map.width, apart, scratches[thread], [&](int x, int channel, Floats value) {
        store(map.view().at(y, x) + channel, value);
      });
    });
    units[0].run(threads, scratches, rows);
    convolve(second[0], units[0].pooled.view(), units[1].start.view(), threads, scratches);
    units[1].run(threads, scratches, rows);
    return units[1].pooled.view();
  }

  Linear first;
  std::vector<Winograd<2>> second;
  RegionUnit units[2];

 private:
  int crop_, input_, stride_;
  Buffer<float> image_;  // with a border of zeros

  static void convolve(const Winograd<2>& convolution, View<const float> in, View<float> out,
                       Threads& threads, std::vector<Scratch>& scratches) {
    const int across = tiles_along(out.width), total = across * tiles_along(out.height);
    constexpr int TILES = Winograd<2>::TILES;
    threads.share((total + TILES - 1) / TILES, [&](int part, int thread) {
      convolution.run(part * TILES, std::min(total, (part + 1) * TILES), across, PaddedTiles(in),
                      scratches[thread], StoreTiles(out, false));
    });
  }

  // BGR bytes to RGB in -1 … 1, resized bilinearly where the network works on another size.
  void read(const uint8_t* face, Threads& threads) {
    const float ratio = static_cast<float>(crop_) / input_;
    const auto place = [&](int i) {
      const float at = std::max(0.f, (i + 0.5f) * ratio - 0.5f);
      const int before = std::min(static_cast<int>(at), crop_ - 1);
      return std::tuple{before, std::min(before + 1, crop_ - 1), at - before};
    };
    threads.share(input_, [&](int y, int) {
      const auto [top, bottom, down] = place(y);
      float* to = &image_[static_cast<size_t>((y + 1) * (input_ + 2) + 1) * 3];
      for (int x = 0; x < input_; ++x) {
        const auto [left, right, along] = place(x);
        for (int c = 0; c < 3; ++c) {
          const auto value = [&](int row, int column) {
            return static_cast<float>(face[(row * crop_ + column) * 3 + 2 - c]);
          };
          const float above = value(top, left) + along * (value(top, right) - value(top, left));
          const float below =
              value(bottom, left) + along * (value(bottom, right) - value(bottom, left));
          to[3 * x + c] = (above + down * (below - above)) / 127.5f - 1.f;
        }
      }
    });
  }
};

}  // namespace lgrnet
