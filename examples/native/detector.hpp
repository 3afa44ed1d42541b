// A picture in, action units out: what `Detector` of runtime/detector.py says of a picture by
// itself.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "archive.hpp"
#include "boxes.hpp"
#include "face_finder.hpp"
#include "network.hpp"  // of runtime/native/engine
#include "pictures.hpp"

struct Face {
  Box box;
  double score;  // of the finder, 0 to 1
  Landmarks landmarks;
  std::vector<float> probability, intensity;  // of each AU; no intensities if the model has none
};

class Detector {
 public:
  // model: a file of `python -m export.native`; finder: one of `python -m export.finder`.
  Detector(const std::string& model, const std::string& finder, int threads = 1)
      : archive_(read_archive(model)),
        shape_(read_shape(told(archive_, "shape", model))),
        network_(shape_, weights(archive_), threads),
        finder_(finder, threads) {
    const std::string& spec = told(archive_, "lgrnet", model);
    if (numbers(spec, "spec_version").at(0) != 2)
      throw std::runtime_error("another spec version: export the model again");
    aus = numbers(spec, "aus");
    thresholds = numbers(spec, "thresholds");
    tells_intensity = spec.find("\"intensity\": true") != std::string::npos;
    const size_t count = shape_.aus;
    if (shape_.crop != CROP_SIZE || aus.size() != count || thresholds.size() != count)
      throw std::runtime_error("what the model says of itself does not fit: export it again");
  }

  // The faces of a picture by itself, the largest found first, at most so many; those that are in
  // `known` boxes are left out. Each is looked at in the finder's alignment, then in that of its
  // landmarks, as the network was trained.
  std::vector<Face> detect(const Picture& picture, size_t most = SIZE_MAX,
                           std::vector<Box> known = {}) {
    std::vector<FoundFace> found = finder_.find(picture);
    std::erase_if(found, [&](const FoundFace& face) {
      const Box box = alignment_box(alignment_matrix(face.anchors));
      return std::any_of(known.begin(), known.end(),
                         [&](const Box& other) { return overlap(box, other) >= AGAIN; });
    });
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.box.area() > b.box.area(); });
    std::vector<Face> faces;
    for (const FoundFace& each : found) {
      if (faces.size() >= most) break;
      const Matrix guess = alignment_matrix(each.anchors);
      const Face first = look(picture, guess);
      if (!plausible(first.landmarks, guess, picture.width, picture.height) ||
          !confirm(picture, first.landmarks))
        continue;
      const Matrix used = alignment_matrix(first.landmarks);
      Face second = look(picture, used);
      const bool again = std::any_of(known.begin(), known.end(),
                                     [&](const Box& box) { return same_face(box, second.box); });
      if (again || !plausible(second.landmarks, used, picture.width, picture.height)) continue;
      second.score = each.score;
      known.push_back(second.box);
      faces.push_back(std::move(second));
    }
    return faces;
  }

  // What the network says of one face, given its alignment.
  Face look(const Picture& picture, const Matrix& alignment) {
    const Matrix matrix = crop_matrix(alignment), back = matrix.inverse();
    Face face{};
    face.probability.resize(aus.size());
    face.intensity.resize(aus.size());
    float found[2 * 49];
    network_.run(cut(picture, matrix).data(), face.probability.data(), found,
                 face.intensity.data());
    if (!tells_intensity) face.intensity.clear();
    for (int i = 0; i < 49; ++i) face.landmarks[i] = back({found[2 * i], found[2 * i + 1]});
    face.box = face_box(face.landmarks);
    return face;
  }

  // Whether the finder sees a face under landmarks: the network puts them on a wall, too.
  bool confirm(const Picture& picture, const Landmarks& landmarks) {
    const Picture upright{ALIGNED_SIZE, ALIGNED_SIZE,
                          cut(picture, alignment_matrix(landmarks), ALIGNED_SIZE)};
    return !finder_.find(shrunk(upright, ALIGNED_SIZE / 2, ALIGNED_SIZE / 2)).empty();
  }

  std::vector<float> aus, thresholds;
  bool tells_intensity;

 private:
  static constexpr double AGAIN = 0.3;  // overlap with a known face from which a find is the same

  Archive archive_;
  lgrnet::Shape shape_;
  lgrnet::Network network_;
  FaceFinder finder_;

  static lgrnet::Shape read_shape(const std::string& json) {
    lgrnet::Shape shape{};
    fill(json, "aus", &shape.aus, 1);
    fill(json, "crop", &shape.crop, 1);
    fill(json, "input", &shape.input, 1);
    fill(json, "stride", &shape.stride, 1);
    fill(json, "grid", &shape.grid, 1);
    fill(json, "cells", &shape.cells, 1);
    fill(json, "radius", &shape.radius, 1);
    fill(json, "stem", shape.stem, 2);
    fill(json, "feature", shape.feature, 3);
    fill(json, "refine", shape.refine, 3);
    shape.cells_per_pixel = numbers(json, "cells_per_pixel").at(0);
    shape.slope = numbers(json, "slope").at(0);
    return shape;
  }
};
