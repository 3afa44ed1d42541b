// From landmarks to the AUs' patches A_t: lgrnet.network.patches.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "layers.hpp"

namespace lgrnet {

constexpr int LANDMARKS = 49;

struct Cell {
  int at;  // y · w + x
  float weight;
};

// One AU's map: its cells, and the same as a whole map with the tiles that it touches.
struct Patch {
  std::vector<Cell> cells;  // those above zero
  std::vector<float> map;   // (h, w)
  std::vector<int> tiles;   // of 2 × 2 cells, those whose 3 × 3 convolution is not zero
  std::vector<int> place;   // tile → its place in `tiles`, or -1
};

class Patches {
 public:
  Patches(const Weights& weights, int aus, int grid, int cells, int radius, float cells_per_pixel,
          float slope)
      : patches(aus),
        grid_(grid),
        cells_(cells),
        radius_(radius),
        cells_per_pixel_(cells_per_pixel),
        slope_(slope),
        points_(weights.get("patches.points", 2 * aus)),
        drops_(weights.get("patches.drops", 2 * aus)),
        eyes_(weights.get("patches.eyes", 2)) {}

  // landmarks: (49, 2), x and y, pixels of the crop.
  void draw(const float* landmarks) {
    const int margin = (cells_ - grid_) / 2, across = tiles_along(grid_);
    const float ruler = std::fabs(landmarks[2 * static_cast<int>(eyes_[0])] -
                                  landmarks[2 * static_cast<int>(eyes_[1])]);
    for (size_t t = 0; t < patches.size(); ++t) {
      Patch& patch = patches[t];
      patch.map.assign(static_cast<size_t>(grid_) * grid_, 0.f);
      patch.place.assign(static_cast<size_t>(across) * across, -1);
      patch.cells.clear();
      patch.tiles.clear();
      for (int side = 0; side < 2; ++side) {
        const float* point = landmarks + 2 * static_cast<int>(points_[2 * t + side]);
        const float x = std::nearbyint(point[0] * cells_per_pixel_);
        const float y =
            std::nearbyint((point[1] + ruler * drops_[2 * t + side]) * cells_per_pixel_);
        mark(patch, x, y, margin);
      }
      for (int at = 0; at < grid_ * grid_; ++at)
        if (patch.map[at] > 0) patch.cells.push_back({at, patch.map[at]});
      for (const Cell& cell : patch.cells) {
        // A cell reaches its neighbours, and so the tiles that these are in.
        const int y = cell.at / grid_, x = cell.at % grid_;
        for (int row = std::max(y - 1, 0) / 2; row <= std::min(y + 1, grid_ - 1) / 2; ++row)
          for (int column = std::max(x - 1, 0) / 2; column <= std::min(x + 1, grid_ - 1) / 2;
               ++column)
            patch.place[row * across + column] = 0;
      }
      for (int tile = 0; tile < across * across; ++tile)
        if (patch.place[tile] == 0) {
          patch.place[tile] = static_cast<int>(patch.tiles.size());
          patch.tiles.push_back(tile);
        }
    }
  }

  std::vector<Patch> patches;  // AUs from top to bottom

 private:
  int grid_, cells_, radius_;
  float cells_per_pixel_, slope_;
  const float *points_, *drops_, *eyes_;

  // Adds one window. It is clipped to the grid, so that one off the grid marks the nearest edge.
  void mark(Patch& patch, float x, float y, int margin) const {
    const float most = static_cast<float>(cells_ - 1), radius = static_cast<float>(radius_);
    // Also of NaN, as landmarks of weights without bounds can be.
    const auto clip = [&](float at) {
      return static_cast<int>(std::fmin(std::fmax(at, 0.f), most));
    };
    for (int row = clip(y - radius); row <= clip(y + radius); ++row)
      for (int column = clip(x - radius); column <= clip(x + radius); ++column) {
        const int i = row - margin, j = column - margin;
        if (i < 0 || i >= grid_ || j < 0 || j >= grid_) continue;
        const float height = 1 - slope_ * (std::fabs(row - y) + std::fabs(column - x));
        float& cell = patch.map[static_cast<size_t>(i) * grid_ + j];
        cell = std::max({cell, height, 0.f});
      }
  }
};

}  // namespace lgrnet
