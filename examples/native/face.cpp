// Action units of the faces in a picture or in the pictures of a video, by the native engine
// without Python:
//
//   ffmpeg -v error -i VIDEO -f image2pipe -c:v ppm - | face MODEL.npz FINDER.npz
//
// Pictures come as PPM, one after the other. A line goes out for each face in each.
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>

#include "cpu.hpp"  // of runtime/native/engine
#include "detector.hpp"
#include "pictures.hpp"
#include "tracker.hpp"

namespace {

// The first columns of the table that `python -m runtime` writes (docs/results.md).
void write_header(const Detector& detector) {
  std::printf("frame,face_id,score,box_x,box_y,box_w,box_h");
  const auto columns = [&](const char* ending) {
    for (const float unit : detector.aus) std::printf(",AU%02d%s", static_cast<int>(unit), ending);
  };
  columns("");
  columns("_c");
  if (detector.tells_intensity) columns("_r");
  std::printf("\n");
}

void write(int frame, const Track& track, const Detector& detector) {
  const Face& face = track.face;
  const Box& box = face.box;
  std::printf("%d,%d,%.4f,", frame, track.id, face.score);
  std::printf("%.2f,%.2f,%.2f,%.2f", box.left, box.top, box.width, box.height);
  for (const float value : face.probability) std::printf(",%.6f", value);
  for (size_t i = 0; i < detector.aus.size(); ++i)
    std::printf(",%d", face.probability[i] >= detector.thresholds[i]);
  for (const float value : face.intensity) std::printf(",%.3f", value);
  std::printf("\n");
}

void run(const char* model, const char* finder) {
  if (!lgrnet::runs_here()) throw std::runtime_error("compiled for another processor");
  Detector detector(model, finder);
  Tracker tracker(detector);
  write_header(detector);
  Picture picture;
  int frame = 0;
  for (; read_ppm(std::cin, "picture " + std::to_string(frame), picture); ++frame) {
    for (const Track& track : tracker.follow(picture)) write(frame, track, detector);
    std::fflush(stdout);
  }
  if (!frame) throw std::runtime_error("no picture came: give PPM, as ffmpeg writes with -c:v ppm");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: face MODEL.npz FINDER.npz < PICTURES.ppm\n");
    return 2;
  }
  try {
    run(arguments[1], arguments[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
