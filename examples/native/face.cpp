// Action units of the faces in a picture, by the native engine without Python:
// face MODEL.npz FINDER.npz PICTURE.ppm
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "cpu.hpp"  // of runtime/native/engine
#include "detector.hpp"
#include "pictures.hpp"

namespace {

void run(const char* model, const char* finder, const char* path) {
  if (!lgrnet::runs_here()) throw std::runtime_error("compiled for another processor");
  Detector detector(model, finder);
  const std::vector<Face> faces = detector.detect(read_ppm(path));
  if (faces.empty()) std::fprintf(stderr, "no face in %s\n", path);
  std::printf("face,left,top,width,height,AU,probability,intensity,present\n");
  for (size_t n = 0; n < faces.size(); ++n) {
    const auto& [box, score, landmarks, probability, intensity] = faces[n];
    for (size_t i = 0; i < detector.aus.size(); ++i) {
      std::printf("%zu,%.1f,%.1f,%.1f,%.1f,", n, box.left, box.top, box.width, box.height);
      std::printf("AU%02d,%.9g,", static_cast<int>(detector.aus[i]), probability[i]);
      if (detector.tells_intensity) std::printf("%.9g", intensity[i]);
      std::printf(",%d\n", probability[i] >= detector.thresholds[i]);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: face MODEL.npz FINDER.npz PICTURE.ppm\n");
    return 2;
  }
  try {
    run(arguments[1], arguments[2], arguments[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
