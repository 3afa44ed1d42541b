// LGRNet, from a face to its action units and landmarks: lgrnet.network.model.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "fusion.hpp"
#include "layers.hpp"
#include "patches.hpp"
#include "relation.hpp"
#include "stem.hpp"

namespace lgrnet {

// lgrnet.network.config.ModelConfig, as far as it decides shapes. runtime.backends.native has the
// same.
struct Shape {
  int32_t aus, crop, input, stride, grid, cells, radius;
  int32_t stem[2], feature[3], refine[3];
  float cells_per_pixel, slope;
};

// What the parts rely on; runtime.native.model checks the same before.
inline const Shape& checked(const Shape& shape) {
  constexpr int WIDEST = 4096;
  bool sound = true;
  for (int size : {shape.aus, shape.crop, shape.input, shape.stride, shape.grid, shape.cells,
                   shape.radius, shape.stem[0], shape.stem[1], shape.feature[0], shape.feature[1],
                   shape.feature[2], shape.refine[0], shape.refine[1], shape.refine[2]})
    sound = sound && size > 0 && size <= WIDEST;
  sound = sound && shape.input % (16 * shape.stride) == 0 &&
          shape.grid == shape.input / (4 * shape.stride) && shape.grid >= 8 &&
          (shape.cells == shape.grid || shape.cells == shape.grid + 8) && shape.stem[0] % 4 == 0 &&
          shape.stem[1] % 4 == 0;
  for (float factor : {shape.cells_per_pixel, shape.slope})
    sound = sound && factor > 0 && factor < 1e6f;
  if (!sound) unusable("there is no network of these sizes");
  return shape;
}

// FACS's E; lgrnet.network.heads.
constexpr float STRONGEST = 5.f;

class Network {
 public:
  Network(const Shape& shape, const Weights& weights, int threads)
      : shape_(checked(shape)),
        side_(shape.grid / 8),
        threads_(threads),
        scratches_(threads),
        buffers_(threads),
        stem_(weights, shape.crop, shape.input, shape.stride, shape.stem),
        align_(weights, "align", 1, shape.stem[1], shape.feature),
        global_(weights, "global", 1, shape.stem[1], shape.feature),
        patches_(weights, shape.aus, shape.grid, shape.cells, shape.radius, shape.cells_per_pixel,
                 shape.slope),
        recurrence_(weights, shape.aus, shape.stem[1], shape.grid),
        fusion_(weights, shape.aus, shape.stem[1], shape.feature[2], shape.grid, side_),
        refine_(weights, "refine", shape.aus, shape.stem[1], shape.refine),
        align_maps_(align_.make_maps(shape.grid, shape.grid)),
        global_maps_(global_.make_maps(shape.grid, shape.grid)) {
    const int64_t cells = static_cast<int64_t>(side_) * side_;
    landmark_weight_ = weights.get("landmarks.weight", 2 * LANDMARKS * cells * shape.feature[2]);
    landmark_bias_ = weights.get("landmarks.bias", 2 * LANDMARKS);
    head_weight_ = weights.get("heads.weight", shape.aus * cells * shape.refine[2]);
    head_bias_ = weights.get("heads.bias", shape.aus);
    strength_weight_ = weights.find("strength.weight", shape.aus * cells * shape.refine[2]);
    if (strength_weight_) strength_bias_ = weights.get("strength.bias", shape.aus);
    order_ = weights.get("heads.order", shape.aus);
    std::vector<bool> taken(shape.aus);
    for (int i = 0; i < shape.aus; ++i) {
      const bool place = order_[i] >= 0 && order_[i] < shape.aus;
      if (!place || taken[static_cast<int>(order_[i])]) unusable("array heads.order is no order");
      taken[static_cast<int>(order_[i])] = true;
    }
    for (int thread = 0; thread < threads; ++thread) {
      refine_maps_.push_back(refine_.make_maps(shape.grid, shape.grid));
      fused_.emplace_back(shape.grid, shape.grid, shape.stem[1]);
    }
  }

  // face: (crop, crop, 3), BGR; probability: (n), ascending AUs; landmarks: (49, 2); intensity: (n)
  // from 0 to 5, left alone by a model that does not tell.
  void run(const uint8_t* face, float* probability, float* landmarks, float* intensity) {
    const View<const float> feature = stem_.run(face, threads_, scratches_, buffers_);
    Blocks::run_shared({{&align_, &align_maps_}, {&global_, &global_maps_}}, feature, threads_,
                       scratches_);
    const Map& aligned = align_maps_.pooled[2];
    for (int i = 0; i < 2 * LANDMARKS; ++i)
      landmarks[i] = landmark_bias_[i] + product(aligned, shape_.feature[2], landmark_weight_, i);
    patches_.draw(landmarks);
    recurrence_.run(feature, patches_.patches, threads_, scratches_);
    threads_.share(shape_.aus, [&](int t, int thread) {
      Scratch& scratch = scratches_[thread];
      Map& fused = fused_[thread];
      fusion_.run(t, feature, patches_.patches[t], recurrence_, global_maps_.pooled[2].view(),
                  fused.view(), scratch, buffers_[thread]);
      refine_.run(t, fused.view(), refine_maps_[thread], scratch);
      const Map& refined = refine_maps_[thread].pooled[2];
      const auto score = [&](const float* weight, const float* bias) {
        const float logit = bias[t] + product(refined, shape_.refine[2], weight, t);
        return 1.f / (1.f + std::exp(-logit));
      };
      const int place = static_cast<int>(order_[t]);
      probability[place] = score(head_weight_, head_bias_);
      if (strength_weight_) intensity[place] = STRONGEST * score(strength_weight_, strength_bias_);
    });
  }

  // What can be in 8 bits, by the names of the weights: the groups of a layer.
  std::vector<std::pair<std::string, std::vector<Observed*>>> observed() {
    std::vector<std::pair<std::string, std::vector<Observed*>>> found;
    const auto add = [&](const std::string& name, auto& layers) {
      std::vector<Observed*> groups;
      for (auto& layer : layers) groups.push_back(&layer);
      found.emplace_back(name, groups);
    };
    add("stem.1.conv", stem_.second);
    for (int unit = 0; unit < 2; ++unit) {
      const std::string name = "stem." + std::to_string(unit);
      add(name + ".fine", stem_.units[unit].fine.convolutions);
      add(name + ".middle", stem_.units[unit].middle.convolutions);
      add(name + ".coarse", stem_.units[unit].coarse.convolutions);
    }
    for (const auto& [name, blocks] :
         {std::pair{"align", &align_}, {"global", &global_}, {"refine", &refine_}})
      for (int number = 0; number < 6; ++number) {
        Convolutions& layer = blocks->layers[number];
        const std::string full = std::string(name) + "." + std::to_string(number);
        layer.side == 4 ? add(full, layer.large) : add(full, layer.small);
      }
    for (int i = 0; i < 2; ++i) {
      const std::string name = i ? "up" : "down";
      found.push_back({name + ".input", {&recurrence_.directions[i].input}});
      found.push_back({name + ".hidden", {&recurrence_.directions[i].hidden}});
    }
    add("fusion.local", fusion_.local);
    return found;
  }

 private:
  Shape shape_;
  int side_;
  Threads threads_;
  std::vector<Scratch> scratches_;  // one a thread, as the following
  std::vector<Buffer<float>> buffers_;
  std::vector<Map> fused_;
  std::vector<Blocks::Maps> refine_maps_;
  Stem stem_;
  Blocks align_, global_;
  Patches patches_;
  Recurrence recurrence_;
  Fusion fusion_;
  Blocks refine_;
  Blocks::Maps align_maps_, global_maps_;
  const float *landmark_weight_, *landmark_bias_, *head_weight_, *head_bias_, *order_;
  const float *strength_weight_, *strength_bias_ = nullptr;

  // Σ over the cells and channels of a small map, weights being (rows, cells, channels).
  static float product(const Map& map, int channels, const float* weight, int row) {
    const int cells = map.height * map.width;
    weight += static_cast<size_t>(row) * cells * channels;
    Floats total{};
    float rest = 0;
    for (int cell = 0; cell < cells; ++cell) {
      const float* from = map.data() + static_cast<size_t>(cell) * map.channels;
      int c = 0;
      for (; c + LANES <= channels; c += LANES) total += load(from + c) * load(weight + c);
      for (; c < channels; ++c) rest += from[c] * weight[c];
      weight += channels;
    }
    return sum(total) + rest;
  }
};

}  // namespace lgrnet
