// lgrnet.h: the detector and the tracker behind functions of C, through which nothing is thrown.
#include "lgrnet.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "cpu.hpp"  // of runtime/native/engine
#include "detector.hpp"
#include "pictures.hpp"
#include "tracker.hpp"

struct lgrnet_detector {
  lgrnet_detector(const char* model, const char* finder, int threads, size_t max_faces)
      : detector(model, finder, threads), max_faces(max_faces) {
    restart();
  }

  void restart() { tracker.emplace(detector, max_faces); }

  Detector detector;
  const size_t max_faces;
  std::optional<Tracker> tracker;
  std::atomic_flag busy;
};

namespace {

// Fills a message, if one is wanted; it is not cut within a character.
void say(char* message, const std::string& text) {
  if (!message) return;
  size_t end = std::min(text.size(), size_t{LGRNET_MESSAGE - 1});
  while (end && end < text.size() && (text[end] & 0xC0) == 0x80) --end;
  message[text.copy(message, end)] = 0;
}

// What work() returns; if it throws, the reason goes into `message`.
template <class Result, class Work>
Result guarded(char* message, Result failed, const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    say(message, "there is not memory enough");
  } catch (const std::exception& error) {
    say(message, error.what());
  }
  return failed;
}

// Two threads in one detector would write into the same memory.
class Alone {
 public:
  explicit Alone(lgrnet_detector& detector) : busy_(detector.busy) {
    if (busy_.test_and_set())
      throw std::runtime_error("the detector is in use in another thread: open one for each");
  }
  ~Alone() { busy_.clear(); }
  Alone(const Alone&) = delete;

 private:
  std::atomic_flag& busy_;
};

Picture read(const lgrnet_picture& given) {
  constexpr int LARGEST = 1 << 15;
  // Bytes of a pixel, and which of them is blue, green and red.
  static constexpr struct {
    int bytes, bgr[3];
  } FORMATS[] = {{3, {0, 1, 2}}, {3, {2, 1, 0}}, {4, {0, 1, 2}}, {4, {2, 1, 0}}, {1, {0, 0, 0}}};
  const auto refuse = [](const std::string& what) {
    throw std::runtime_error("a picture " + what);
  };
  if (!given.pixels) refuse("has no pixels");
  if (given.format < 0 || given.format >= static_cast<int>(std::size(FORMATS)))
    refuse("of format " + std::to_string(given.format) + ": give LGRNET_BGR, ...");
  if (std::min(given.width, given.height) < 1 || std::max(given.width, given.height) > LARGEST)
    refuse("of " + std::to_string(given.width) + " x " + std::to_string(given.height) +
           " pixels: give 1 to " + std::to_string(LARGEST));
  const auto& [bytes, bgr] = FORMATS[given.format];
  const int row = bytes * given.width;
  const int64_t stride = given.stride ? given.stride : row;
  if (std::abs(stride) < row)
    refuse("has rows of " + std::to_string(row) + " bytes, which cannot be " +
           std::to_string(stride) + " apart");
  Picture picture{given.width, given.height,
                  std::vector<uint8_t>(size_t{3} * given.width * given.height)};
  uint8_t* to = picture.bgr.data();
  for (int y = 0; y < given.height; ++y) {
    const uint8_t* from = given.pixels + y * stride;
    for (int x = 0; x < given.width; ++x, from += bytes)
      for (const int channel : bgr) *to++ = from[channel];
  }
  return picture;
}

lgrnet_face told(const Face& face, int id) {
  lgrnet_face out{};
  out.id = id;
  out.score = static_cast<float>(face.score);
  const Box& box = face.box;
  std::ranges::transform(std::initializer_list<double>{box.left, box.top, box.width, box.height},
                         out.box, [](double value) { return static_cast<float>(value); });
  for (int i = 0; i < LGRNET_LANDMARKS; ++i) {
    out.landmarks[i][0] = static_cast<float>(face.landmarks[i].x);
    out.landmarks[i][1] = static_cast<float>(face.landmarks[i].y);
  }
  std::ranges::fill(out.intensity, std::numeric_limits<float>::quiet_NaN());
  std::ranges::copy(face.probability, out.probability);
  std::ranges::copy(face.intensity, out.intensity);
  return out;
}

}  // namespace

int32_t lgrnet_version(void) { return LGRNET_VERSION; }

lgrnet_detector* lgrnet_detector_open(const char* model, const char* finder, int32_t threads,
                                      int32_t max_faces, char* message) {
  return guarded<lgrnet_detector*>(message, nullptr, [&] {
    if (!lgrnet::runs_here()) throw std::runtime_error("compiled for another processor");
    if (!model || !finder) throw std::runtime_error("name a model and a face finder");
    if (threads < 1) throw std::runtime_error("threads: give 1 or more");
    if (max_faces < 1) throw std::runtime_error("max_faces: give 1 or more");
    auto detector = std::make_unique<lgrnet_detector>(model, finder, threads, max_faces);
    if (detector->detector.aus.size() > LGRNET_MAX_AUS)
      throw std::runtime_error(std::string(model) + " has more AUs than LGRNET_MAX_AUS");
    return detector.release();
  });
}

void lgrnet_detector_model(const lgrnet_detector* detector, lgrnet_model* model) {
  const Detector& from = detector->detector;
  *model = {};
  model->count = static_cast<int32_t>(from.aus.size());
  model->tells_intensity = from.tells_intensity;
  std::ranges::transform(from.aus, model->aus, [](float au) { return static_cast<int32_t>(au); });
  std::ranges::copy(from.thresholds, model->thresholds);
}

int32_t lgrnet_detector_detect(lgrnet_detector* detector, const lgrnet_picture* picture,
                               lgrnet_face* faces, char* message) {
  return guarded<int32_t>(message, -1, [&] {
    const Alone alone(*detector);
    const auto found = detector->detector.detect(read(*picture), detector->max_faces);
    std::ranges::transform(found, faces, [](const Face& face) { return told(face, -1); });
    return static_cast<int32_t>(found.size());
  });
}

int32_t lgrnet_detector_follow(lgrnet_detector* detector, const lgrnet_picture* picture,
                               lgrnet_face* faces, char* message) {
  return guarded<int32_t>(message, -1, [&] {
    const Alone alone(*detector);
    const auto& tracks = detector->tracker->follow(read(*picture));
    std::ranges::transform(tracks, faces,
                           [](const Track& track) { return told(track.face, track.id); });
    return static_cast<int32_t>(tracks.size());
  });
}

int32_t lgrnet_detector_restart(lgrnet_detector* detector, char* message) {
  return guarded<int32_t>(message, -1, [&] {
    const Alone alone(*detector);
    detector->restart();
    return 0;
  });
}

void lgrnet_detector_close(lgrnet_detector* detector) { delete detector; }
