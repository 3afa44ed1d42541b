// Action units of the faces in a picture or in the pictures of a video, by the native engine
// without Python:
//
//   ffmpeg -v error -i VIDEO -f image2pipe -c:v ppm - | face MODEL.npz FINDER.npz
//
// Pictures come as PPM, one after the other. A line goes out for each face in each.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

#include "lgrnet.h"

namespace {

// The first columns of the table that `python -m runtime` writes (docs/results.md).
void write_header(const lgrnet_model& model) {
  std::printf("frame,face_id,score,box_x,box_y,box_w,box_h");
  const auto columns = [&](const char* ending) {
    for (int i = 0; i < model.count; ++i) std::printf(",AU%02d%s", model.aus[i], ending);
  };
  columns("");
  columns("_c");
  if (model.tells_intensity) columns("_r");
  std::printf("\n");
}

void write(int frame, const lgrnet_face& face, const lgrnet_model& model) {
  std::printf("%d,%d,%.4f", frame, face.id, face.score);
  for (const float value : face.box) std::printf(",%.2f", value);
  for (int i = 0; i < model.count; ++i) std::printf(",%.6f", face.probability[i]);
  for (int i = 0; i < model.count; ++i)
    std::printf(",%d", face.probability[i] >= model.thresholds[i]);
  for (int i = 0; model.tells_intensity && i < model.count; ++i)
    std::printf(",%.3f", face.intensity[i]);
  std::printf("\n");
}

// The next picture of binary PPM, the simplest format of all, which ffmpeg writes. Its pixels go
// into `pixels`. Gives false at the end.
bool read_ppm(std::istream& stream, const std::string& name, lgrnet_picture& picture,
              std::vector<uint8_t>& pixels) {
  std::string magic;
  int most = 0;
  if (!(stream >> magic)) return false;
  for (int* number : {&picture.width, &picture.height, &most}) {
    while ((stream >> std::ws).peek() == '#') stream.ignore(1000, '\n');  // as GIMP writes
    stream >> *number;
  }
  stream.get();
  constexpr int LARGEST = 1 << 15;
  if (magic != "P6" || most != 255 || std::min(picture.width, picture.height) < 1 ||
      std::max(picture.width, picture.height) > LARGEST)
    throw std::runtime_error(name + " is no binary PPM of 255 levels");
  pixels.resize(size_t{3} * picture.width * picture.height);
  if (!stream.read(reinterpret_cast<char*>(pixels.data()), pixels.size()))
    throw std::runtime_error(name + " is cut");
  picture.pixels = pixels.data();
  picture.format = LGRNET_RGB;
  return true;
}

void run(const char* model_file, const char* finder_file) {
  constexpr int MAX_FACES = 4;
  char message[LGRNET_MESSAGE];
  const std::unique_ptr<lgrnet_detector, decltype(&lgrnet_detector_close)> detector(
      lgrnet_detector_open(model_file, finder_file, 1, MAX_FACES, message), lgrnet_detector_close);
  if (!detector) throw std::runtime_error(message);
  lgrnet_model model;
  lgrnet_detector_model(detector.get(), &model);
  write_header(model);
  lgrnet_picture picture{};
  std::vector<uint8_t> pixels;
  lgrnet_face faces[MAX_FACES];
  int frame = 0;
  for (; read_ppm(std::cin, "picture " + std::to_string(frame), picture, pixels); ++frame) {
    const int count = lgrnet_detector_follow(detector.get(), &picture, faces, message);
    if (count < 0) throw std::runtime_error(message);
    for (int i = 0; i < count; ++i) write(frame, faces[i], model);
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
#ifdef _WIN32
  _setmode(_fileno(stdin), _O_BINARY);  // as text, pictures would end at their first byte 26
#endif
  try {
    run(arguments[1], arguments[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
