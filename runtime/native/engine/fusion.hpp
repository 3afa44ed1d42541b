// What the whole face adds to each AU's patch (section III-C, eq. 11 and 12):
// lgrnet.network.fusion.
#pragma once

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "layers.hpp"
#include "patches.hpp"
#include "relation.hpp"

namespace lgrnet {

class Fusion {
 public:
  Fusion(const Weights& weights, int aus, int channels, int global_channels, int grid, int side)
      : channels_(padded(channels)), grid_(grid), side_(side) {
    const int both = 2 * channels_;
    const auto read = [&](const std::string& name, int inputs, std::vector<Linear>& out) {
      const int64_t size = static_cast<int64_t>(channels) * inputs;
      const float* gate = weights.get("fusion." + name + "_gate.weight", aus * size);
      const float* gate_bias = weights.get("fusion." + name + "_gate.bias", aus * channels);
      const float* value = weights.get("fusion." + name + "_value.weight", aus * size);
      const float* value_bias = weights.get("fusion." + name + "_value.bias", aus * channels);
      const float* range = weights.find("fusion." + name + ".range", aus);
      for (int t = 0; t < aus; ++t) {
        // Gate and value side by side, each filled up to whole vectors.
        std::vector<float> weight(static_cast<size_t>(both) * inputs), bias(both);
        std::copy_n(gate + t * size, size, weight.data());
        std::copy_n(value + t * size, size,
                    weight.data() + static_cast<size_t>(channels_) * inputs);
        std::copy_n(gate_bias + t * channels, channels, bias.data());
        std::copy_n(value_bias + t * channels, channels, bias.data() + channels_);
        out.emplace_back(both, inputs, weight.data(), bias.data(), range ? range + t : nullptr);
      }
    };
    read("local", channels, local);
    read("global", global_channels, global);
  }

  // Fused features of AU t into `out`, (h, w, C).
  void run(int t, View<const float> feature, const Patch& patch, const Recurrence& recurrence,
           View<const float> whole, View<float> out, Scratch& scratch,
           Buffer<float>& buffer) const {
    const int both = 2 * channels_, cells = side_ * side_;
    float* wholes = Scratch::reserve(
        buffer, static_cast<size_t>(cells + side_ + grid_) * both + grid_ * channels_);
    float* row_of_wholes = wholes + cells * both;
    float* sums = row_of_wholes + side_ * both;  // S of one row
    float* locals = sums + grid_ * channels_;    // gates and values of one row
    // A 1 × 1 convolution commutes with bilinear resizing: on the few cells of G it costs nothing.
    global[t].run(
        whole.data, cells, whole.channels, scratch,
        [&](int cell, int channel, Floats value) { store(wholes + cell * both + channel, value); });
    const auto [down, up] = recurrence.states(t);
    for (int y = 0; y < grid_; ++y) {
      // Eq. 10: s_t = v_t + (h↓ + h↑) / 2.
      for (int x = 0; x < grid_; ++x) {
        const size_t at = (static_cast<size_t>(y) * grid_ + x) * channels_;
        const float weight = patch.map[static_cast<size_t>(y) * grid_ + x];
        for (int c = 0; c < channels_; c += LANES)
          store(sums + x * channels_ + c,
                load(feature.data + at + c) * weight +
                    (load_fixed(down + at + c) + load_fixed(up + at + c)) * (0.5f / FIXED));
      }
      local[t].run(sums, grid_, channels_, scratch, [&](int x, int channel, Floats value) {
        store(locals + x * both + channel, value);
      });
      const auto [top, bottom, share] = place(y);
      for (int i = 0; i < side_ * both; i += LANES) {
        const Floats above = load(wholes + top * side_ * both + i);
        const Floats below = load(wholes + bottom * side_ * both + i);
        store(row_of_wholes + i, above + (below - above) * share);
      }
      for (int x = 0; x < grid_; ++x) mix(row_of_wholes, x, locals + x * both, out.at(y, x));
    }
  }

  std::vector<Linear> local, global;

 private:
  static constexpr float EPSILON = 1e-6f;  // as in lgrnet.network.fusion
  int channels_, grid_, side_;

  // Eq. 11 and 12 in one cell.
  void mix(const float* wholes, int x, const float* own, float* out) const {
    const int both = 2 * channels_;
    const auto [left, right, share] = place(x);
    const float *before = wholes + left * both, *after = wholes + right * both;
    const auto whole = [&, share = share](int i) {
      const Floats first = load(before + i);
      return first + (load(after + i) - first) * share;
    };
    Floats own_square{}, whole_square{};
    for (int c = channels_; c < both; c += LANES) {
      const Floats value = load(own + c), other = whole(c);
      own_square += value * value;
      whole_square += other * other;
    }
    const float own_scale = 1.f / std::sqrt(sum(own_square) + EPSILON);
    const float whole_scale = 1.f / std::sqrt(sum(whole_square) + EPSILON);
    for (int c = 0; c < channels_; c += LANES) {
      const Floats alpha = sigmoid(load(own + c) + whole(c));
      const Floats value = load(own + channels_ + c) * own_scale;
      const Floats other = whole(channels_ + c) * whole_scale;
      store(out + c, value + (other - value) * alpha);
    }
  }

  // Bilinear resizing from the cells of G: the two cells, and the share of the second.
  std::tuple<int, int, float> place(int i) const {
    const float at = std::max(0.f, (i + 0.5f) * side_ / grid_ - 0.5f);
    const int before = std::min(static_cast<int>(at), side_ - 1);
    return {before, std::min(before + 1, side_ - 1), at - before};
  }
};

}  // namespace lgrnet
