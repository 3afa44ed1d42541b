// Action units of a face, by the native engine without Python: face MODEL.npz PICTURE.ppm X Y ...
//
// The five points are left and right eye, nose tip, left and right mouth corner, as the viewer sees
// them: what face finders such as YuNet give.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "archive.hpp"
#include "cpu.hpp"  // of runtime/native/engine, as the next
#include "network.hpp"
#include "pictures.hpp"

namespace {

// The numbers behind a key of flat JSON: "aus": [1, 2, 4] or "grid": 16.
std::vector<float> numbers(const std::string& json, const std::string& key) {
  const size_t at = json.find('"' + key + "\": ");
  if (at == std::string::npos) throw std::runtime_error("the model does not tell its " + key);
  const char* from = json.c_str() + at + key.size() + 4;
  const bool list = *from == '[';
  std::vector<float> found;
  do {
    from += std::strspn(from, "[, ");
    char* next;
    const float value = std::strtof(from, &next);
    if (next == from) break;
    found.push_back(value);
    from = next;
  } while (list);
  return found;
}

lgrnet::Shape read_shape(const std::string& json) {
  const auto whole = [&](const char* key, size_t i) {
    const auto found = numbers(json, key);
    if (found.size() <= i)
      throw std::runtime_error(std::string("the model's ") + key + " is short");
    return static_cast<int32_t>(found[i]);
  };
  const auto one = [&](const char* key) { return whole(key, 0); };
  lgrnet::Shape shape{};
  shape.aus = one("aus");
  shape.crop = one("crop");
  shape.input = one("input");
  shape.stride = one("stride");
  shape.grid = one("grid");
  shape.cells = one("cells");
  shape.radius = one("radius");
  const auto fill = [&](const char* key, int32_t* to, size_t count) {
    for (size_t i = 0; i < count; ++i) to[i] = whole(key, i);
  };
  fill("stem", shape.stem, 2);
  fill("feature", shape.feature, 3);
  fill("refine", shape.refine, 3);
  shape.cells_per_pixel = numbers(json, "cells_per_pixel").at(0);
  shape.slope = numbers(json, "slope").at(0);
  return shape;
}

class Model {
 public:
  explicit Model(const std::string& path)
      : archive_(read_archive(path)),
        shape_(read_shape(archive_.texts.at("shape"))),
        network_(shape_, weights(), 1) {  // one thread
    const std::string& spec = archive_.texts.at("lgrnet");
    if (numbers(spec, "spec_version").at(0) != 2)
      throw std::runtime_error("another spec version: export the model again");
    aus = numbers(spec, "aus");
    thresholds = numbers(spec, "thresholds");
    tells_intensity = spec.find("\"intensity\": true") != std::string::npos;
    const size_t count = shape_.aus;
    if (shape_.crop != CROP_SIZE || aus.size() != count || thresholds.size() != count)
      throw std::runtime_error("what the model says of itself does not fit: export it again");
    probability.resize(count);
    intensity.resize(count);
  }

  // Looks at a face, given its alignment; gives its landmarks, pixels of the picture.
  Landmarks look(const Picture& picture, const Matrix& alignment) {
    const Matrix matrix = crop_matrix(alignment), back = matrix.inverse();
    float found[2 * 49];
    network_.run(cut(picture, matrix).data(), probability.data(), found, intensity.data());
    Landmarks landmarks;
    for (int i = 0; i < 49; ++i) landmarks[i] = back({found[2 * i], found[2 * i + 1]});
    return landmarks;
  }

  std::vector<float> aus, thresholds, probability, intensity;  // the last two of the last look
  bool tells_intensity;

 private:
  lgrnet::Weights weights() const {  // which stay in the archive
    lgrnet::Weights all;
    for (const auto& [name, array] : archive_.arrays)
      all.add(name, {array.data(), static_cast<int64_t>(array.size())});
    return all;
  }

  Archive archive_;
  lgrnet::Shape shape_;
  lgrnet::Network network_;
};

double coordinate(const char* text) {
  char* end;
  const double value = std::strtod(text, &end);
  constexpr double FARTHEST = 1e6;  // beyond any picture
  if (end == text || *end || !(std::fabs(value) < FARTHEST))
    throw std::runtime_error(std::string(text) + " is no coordinate, in pixels");
  return value;
}

// The network puts landmarks anywhere, so points that are on no face are refused here; an app asks
// its face finder, too (docs/embedding.md).
void check(const Anchors& points, const Landmarks& landmarks, const Picture& picture) {
  const auto& [left, right, nose, mouth_left, mouth_right] = points;
  const double x = mouth_left.x + mouth_right.x - left.x - right.x;
  const double y = mouth_left.y + mouth_right.y - left.y - right.y;
  if ((right.x - left.x) * y - (right.y - left.y) * x <= 0)
    throw std::runtime_error("the mouth is above the eyes: left is the viewer's left");
  const auto inside = std::count_if(landmarks.begin(), landmarks.end(), [&](Point p) {
    return p.x >= 0 && p.y >= 0 && p.x < picture.width && p.y < picture.height;
  });
  if (inside < 0.6 * landmarks.size())
    throw std::runtime_error("the points are on no face: its landmarks lie outside the picture");
}

void run(char** arguments) {
  if (!lgrnet::runs_here()) throw std::runtime_error("compiled for another processor");
  Model model(arguments[0]);
  const Picture picture = read_ppm(arguments[1]);
  Anchors anchors;
  for (int i = 0; i < 5; ++i)
    anchors[i] = {coordinate(arguments[2 + 2 * i]), coordinate(arguments[3 + 2 * i])};
  // A finder's points are a first guess; those of the network align the face as it was trained.
  const Landmarks landmarks = model.look(picture, alignment_matrix(anchors));
  check(anchors, landmarks, picture);
  model.look(picture, alignment_matrix(landmarks));
  std::printf("AU,probability,intensity,present\n");
  for (size_t i = 0; i < model.aus.size(); ++i) {
    std::printf("AU%02d,%.9g,", static_cast<int>(model.aus[i]), model.probability[i]);
    if (model.tells_intensity) std::printf("%.9g", model.intensity[i]);
    std::printf(",%d\n", model.probability[i] >= model.thresholds[i]);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 13) {
    std::fprintf(stderr, "usage: face MODEL.npz PICTURE.ppm X Y X Y X Y X Y X Y\n");
    return 2;
  }
  try {
    run(arguments + 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
