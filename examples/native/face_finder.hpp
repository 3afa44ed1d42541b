// Where faces are: the packaged network, as runtime/finders/network.py runs it.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "archive.hpp"
#include "boxes.hpp"
#include "finder.hpp"  // of runtime/native/engine
#include "pictures.hpp"

struct FoundFace {
  Box box;
  double score;  // 0 to 1
  Anchors anchors;
};

// Searches pictures, with a file of `python -m export.finder -o FINDER.npz`.
class FaceFinder {
 public:
  explicit FaceFinder(const std::string& path, int threads = 1)
      : archive_(read_archive(path)),
        network_(read_shape(told(archive_, "finder", path)), weights(archive_), threads) {}

  // The faces, the surest first.
  std::vector<FoundFace> find(const Picture& picture) {
    const double zoom = std::min(1., double{SEARCH_SIDE} / std::max(picture.width, picture.height));
    const auto reduced = [&](int side) { return std::max(1, int(std::lround(side * zoom))); };
    const Picture small =
        zoom < 1 ? shrunk(picture, reduced(picture.width), reduced(picture.height)) : picture;
    const Picture padded = filled(small);
    std::vector<float> grids[3];
    for (int i = 0; i < 3; ++i)
      grids[i].resize(static_cast<size_t>(padded.height / STRIDES[i]) *
                      (padded.width / STRIDES[i]) * lgrnet::FinderNetwork::CHANNELS);
    network_.run(padded.bgr.data(), padded.height, padded.width,
                 {grids[0].data(), grids[1].data(), grids[2].data()});
    std::vector<FoundFace> found;
    for (int i = 0; i < 3; ++i) read(grids[i], STRIDES[i], padded.width / STRIDES[i], found);
    found = apart(std::move(found));
    std::erase_if(found, [](const FoundFace& face) {  // how it is turned cannot be told
      const auto& [left, right, nose, mouth_left, mouth_right] = face.anchors;
      return std::hypot(right.x - left.x, right.y - left.y) < 1;
    });
    for (FoundFace& face : found) {
      for (double* value : {&face.box.left, &face.box.top, &face.box.width, &face.box.height})
        *value /= zoom;
      for (Point& anchor : face.anchors) anchor = {anchor.x / zoom, anchor.y / zoom};
    }
    return found;
  }

 private:
  static constexpr int SEARCH_SIDE = 400;  // longer side to which larger pictures are reduced
  static constexpr int LEAST_SIDE = 64;    // of what the network is given
  static constexpr int STRIDES[3] = {8, 16, 32};
  static constexpr double UNIT = 4;  // strides that sizes and points are measured in
  static constexpr double THRESHOLD = 0.5, SAME = 0.35;

  Archive archive_;
  lgrnet::FinderNetwork network_;

  static lgrnet::FinderShape read_shape(const std::string& json) {
    if (json.find("\"format\": \"lgrnet-face-finder-1\"") == std::string::npos)
      throw std::runtime_error("the face finder is of another version: export it again");
    lgrnet::FinderShape shape{};
    fill(json, "widths", shape.widths, 5);
    fill(json, "depths", shape.depths, 4);
    fill(json, "features", &shape.features, 1);
    return shape;
  }

  // Sides filled up to multiples of 32 with grey.
  static Picture filled(const Picture& picture) {
    const auto full = [](int side) { return std::max(LEAST_SIDE, (side + 31) / 32 * 32); };
    Picture out{full(picture.width), full(picture.height), {}};
    out.bgr.resize(size_t{3} * out.width * out.height, 128);
    for (int y = 0; y < picture.height; ++y)
      std::copy_n(&picture.bgr[size_t{3} * y * picture.width], 3 * picture.width,
                  &out.bgr[size_t{3} * y * out.width]);
    return out;
  }

  // The cells that say a face: the score before the logistic function; how far the middle of the
  // box lies from that of the cell; the logarithms of its width and height; the five points.
  static void read(const std::vector<float>& grid, int stride, int columns,
                   std::vector<FoundFace>& found) {
    constexpr int CHANNELS = lgrnet::FinderNetwork::CHANNELS;
    for (size_t cell = 0; cell * CHANNELS < grid.size(); ++cell) {
      const float* say = &grid[cell * CHANNELS];
      const double score = 1 / (1 + std::exp(-double{say[0]}));
      if (score < THRESHOLD) continue;
      const double x = (cell % columns + 0.5) * stride - 0.5;
      const double y = (cell / columns + 0.5) * stride - 0.5;
      const auto side = [&](int i) {
        return std::exp(std::clamp(double{say[i]}, -3., 3.)) * UNIT * stride;
      };
      const double width = side(3), height = side(4);
      FoundFace face{
          {x + say[1] * stride - width / 2, y + say[2] * stride - height / 2, width, height},
          score,
          {}};
      for (int i = 0; i < 5; ++i)
        face.anchors[i] = {x + say[5 + 2 * i] * UNIT * stride, y + say[6 + 2 * i] * UNIT * stride};
      found.push_back(face);
    }
  }

  // Of those that overlap, the surest.
  static std::vector<FoundFace> apart(std::vector<FoundFace> found) {
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.score > b.score; });
    std::vector<FoundFace> kept;
    for (const FoundFace& face : found)
      if (std::all_of(kept.begin(), kept.end(),
                      [&](const FoundFace& other) { return overlap(face.box, other.box) <= SAME; }))
        kept.push_back(face);
    return kept;
  }
};
