// Action units of aligned faces, by the native engine without Python: face MODEL.npz CROP.ppm...
//
// A crop is a binary PPM file of 176 × 176 pixels; docs/embedding.md says how it is cut out of a
// picture.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "archive.hpp"
#include "cpu.hpp"  // of runtime/native/engine, as the next
#include "network.hpp"

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
  const auto one = [&](const char* key) { return static_cast<int32_t>(numbers(json, key).at(0)); };
  lgrnet::Shape shape{.aus = one("aus"),
                      .crop = one("crop"),
                      .input = one("input"),
                      .stride = one("stride"),
                      .grid = one("grid"),
                      .cells = one("cells"),
                      .radius = one("radius")};
  const auto fill = [&](const char* key, int32_t* to, size_t count) {
    for (size_t i = 0; i < count; ++i) to[i] = static_cast<int32_t>(numbers(json, key).at(i));
  };
  fill("stem", shape.stem, 2);
  fill("feature", shape.feature, 3);
  fill("refine", shape.refine, 3);
  shape.cells_per_pixel = numbers(json, "cells_per_pixel").at(0);
  shape.slope = numbers(json, "slope").at(0);
  return shape;
}

// (side, side, 3) bytes, BGR.
std::vector<uint8_t> read_crop(const char* path, int side) {
  std::ifstream stream(path, std::ios::binary);
  std::string magic;
  int width = 0, height = 0, most = 0;
  stream >> magic >> width >> height >> most;
  std::vector<uint8_t> pixels(3 * side * side);
  stream.get();
  if (magic != "P6" || width != side || height != side || most != 255 ||
      !stream.read(reinterpret_cast<char*>(pixels.data()), pixels.size()))
    throw std::runtime_error(std::string(path) + " is no binary PPM file of " +
                             std::to_string(side) + " × " + std::to_string(side) +
                             " pixels, 255 levels");
  for (size_t i = 0; i < pixels.size(); i += 3) std::swap(pixels[i], pixels[i + 2]);
  return pixels;
}

void run(int count, char** paths) {
  if (!lgrnet::runs_here()) throw std::runtime_error("compiled for another processor");
  const Archive archive = read_archive(paths[0]);
  const lgrnet::Shape shape = read_shape(archive.texts.at("shape"));
  const std::string& spec = archive.texts.at("lgrnet");
  if (numbers(spec, "spec_version").at(0) != 2)
    throw std::runtime_error("another spec version: export the model again");
  const auto aus = numbers(spec, "aus"), thresholds = numbers(spec, "thresholds");
  lgrnet::Weights weights;
  for (const auto& [name, array] : archive.arrays)
    weights.add(name, {array.data(), static_cast<int64_t>(array.size())});
  lgrnet::Network network(shape, weights, 1);  // one thread
  std::vector<float> probability(shape.aus), landmarks(2 * 49), intensity(shape.aus);
  std::printf("crop,AU,probability,intensity,present\n");
  for (int i = 1; i < count; ++i) {
    network.run(read_crop(paths[i], shape.crop).data(), probability.data(), landmarks.data(),
                intensity.data());
    for (int au = 0; au < shape.aus; ++au)
      std::printf("%s,AU%02d,%.9g,%.9g,%d\n", paths[i], static_cast<int>(aus[au]), probability[au],
                  intensity[au], probability[au] >= thresholds[au]);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: face MODEL.npz CROP.ppm...\n");
    return 2;
  }
  try {
    run(count - 1, arguments + 1);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
