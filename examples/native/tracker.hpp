// Who is who from one picture of a video to the next: the core of runtime/tracking/tracker.py.
//
// A face is searched for once. From then on the landmarks of one picture align the next, and the
// network finds them anew there.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "detector.hpp"

// A face that is followed.
struct Track {
  int id;
  Face face;
  int age, misses = 0;  // pictures since the finder looked at it; its misses in a row
  int away = 0;         // pictures since it was lost
};

// Follows the faces of one video; another video takes another tracker.
class Tracker {
 public:
  explicit Tracker(Detector& detector, size_t max_faces = 4)
      : detector_(detector), max_faces_(max_faces) {}

  // The faces of the next picture, by number.
  const std::vector<Track>& follow(const Picture& picture) {
    std::vector<Track> kept;
    bool lost = false;
    for (Track& track : tracks_) {
      const bool stays = this->stays(track, picture, kept);
      lost = lost || !stays;
      (stays ? kept : missing_).push_back(std::move(track));
    }
    tracks_ = std::move(kept);
    std::erase_if(missing_, [](Track& track) { return track.away++ >= REMEMBER; });
    if (lost) wait_ = 0;
    if (tracks_.size() < max_faces_ && wait_-- <= 0) search(picture);
    return tracks_;
  }

 private:
  static constexpr int SEARCH_EVERY = 15;  // pictures between two searches for newcomers
  static constexpr int SEARCH_SOON = 5;    // the same, while nobody or not everybody is followed
  static constexpr int VERIFY_EVERY = 10;  // pictures between two looks of the finder at a face
  static constexpr int MAX_MISSES = 3;     // misses in a row at which it is lost
  static constexpr int REMEMBER = 100;     // pictures for which a lost face gets its number back

  Detector& detector_;
  size_t max_faces_;
  std::vector<Track> tracks_, missing_;
  int wait_ = 0, next_id_ = 0;

  // Looks at a face where it was last; of two that end on one face the older one stays.
  bool stays(Track& track, const Picture& picture, const std::vector<Track>& others) {
    const Matrix used = alignment_matrix(track.face.landmarks);
    Face face = detector_.look(picture, used);
    if (!plausible(face.landmarks, used, picture.width, picture.height)) return false;
    if (std::any_of(others.begin(), others.end(),
                    [&](const Track& other) { return same_face(other.face.box, face.box); }))
      return false;
    face.score = track.face.score;
    track.face = std::move(face);
    if (++track.age < VERIFY_EVERY) return true;
    // The network puts a mean face on a wall, too; the finder tells a wall from a face.
    if (detector_.confirm(picture, track.face.landmarks))
      track.age = track.misses = 0;
    else
      ++track.misses;
    return track.misses < MAX_MISSES;
  }

  void search(const Picture& picture) {
    std::vector<Box> followed;
    for (const Track& track : tracks_) followed.push_back(track.face.box);
    for (Face& face : detector_.detect(picture, max_faces_ - tracks_.size(), followed)) {
      const int id = recognise(face.box);
      // Faces that are found together are not all verified on the same pictures.
      tracks_.push_back({id, std::move(face), id % VERIFY_EVERY});
    }
    std::sort(tracks_.begin(), tracks_.end(),
              [](const Track& a, const Track& b) { return a.id < b.id; });
    wait_ = tracks_.empty() || !missing_.empty() ? SEARCH_SOON : SEARCH_EVERY;
  }

  // The number of the nearest missing face, if it is no farther away than the face is wide; or a
  // new one.
  int recognise(const Box& box) {
    const auto away = [&](const Track& track) {
      const Box& other = track.face.box;
      return std::hypot(other.left + other.width / 2 - box.left - box.width / 2,
                        other.top + other.height / 2 - box.top - box.height / 2);
    };
    const auto nearest =
        std::min_element(missing_.begin(), missing_.end(),
                         [&](const Track& a, const Track& b) { return away(a) < away(b); });
    if (nearest == missing_.end() || away(*nearest) > box.width) return next_id_++;
    const int id = nearest->id;
    missing_.erase(nearest);
    return id;
  }
};
