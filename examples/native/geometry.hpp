// Where a face is in a picture: runtime/align.py in C++. Pixels, the middle of the first one at (0,
// 0).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

constexpr int ALIGNED_SIZE = 200;  // side of an aligned face, pixels
constexpr int CROP_SIZE = 176;     // side of what the network sees of it, the middle
constexpr double ENLARGEMENT =
    2.9;  // side of the aligned face over the longer one of its anchors' box

struct Point {
  double x, y;
};

// Takes (x, y) to (a·x + b·y + c, d·x + e·y + f).
struct Matrix {
  double a, b, c, d, e, f;

  Point operator()(Point p) const { return {a * p.x + b * p.y + c, d * p.x + e * p.y + f}; }

  Matrix inverse() const {
    const double all = a * e - b * d;
    const Matrix turned{e / all, -b / all, 0, -d / all, a / all, 0};
    const Point shift = turned({c, f});
    return {turned.a, turned.b, -shift.x, turned.d, turned.e, -shift.y};
  }
};

// Left and right eye centre, nose tip, left and right mouth corner, as the viewer sees them.
using Anchors = std::array<Point, 5>;
using Landmarks = std::array<Point, 49>;

// The similarity from a picture to its aligned face: eyes level, the anchors' box in the middle.
inline Matrix alignment_matrix(const Anchors& anchors) {
  const double dx = anchors[1].x - anchors[0].x, dy = anchors[1].y - anchors[0].y;
  const double span = std::hypot(dx, dy);
  if (!(span > 1e-6)) throw std::runtime_error("alignment needs two eyes apart from each other");
  const Matrix turn{dx / span, dy / span, 0, -dy / span, dx / span, 0};
  Point low = turn(anchors[0]), high = low;
  for (const Point& anchor : anchors) {
    const Point p = turn(anchor);
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const double scale =
      (ALIGNED_SIZE - 1) / (ENLARGEMENT * std::max(high.x - low.x, high.y - low.y));
  const auto shift = [&](double from, double to) {
    return (ALIGNED_SIZE - 1) / 2. - scale * (from + to) / 2;
  };
  return {scale * turn.a, scale * turn.b, shift(low.x, high.x),
          scale * turn.d, scale * turn.e, shift(low.y, high.y)};
}

inline std::array<Point, 2> eye_centres(const Landmarks& points) {
  const auto mean = [&](int first) {
    Point sum{};
    for (int i = first; i < first + 6; ++i) sum = {sum.x + points[i].x, sum.y + points[i].y};
    return Point{sum.x / 6, sum.y / 6};
  };
  return {mean(19), mean(25)};
}

inline double inter_ocular(const Landmarks& points) {
  const auto [left, right] = eye_centres(points);
  return std::hypot(right.x - left.x, right.y - left.y);
}

inline Matrix alignment_matrix(const Landmarks& points) {
  const auto [left, right] = eye_centres(points);
  return alignment_matrix(Anchors{left, right, points[13], points[31], points[37]});
}

// From an alignment to the network's crop of the aligned face.
inline Matrix crop_matrix(Matrix alignment) {
  constexpr double offset = (ALIGNED_SIZE - CROP_SIZE) / 2;
  alignment.c -= offset;
  alignment.f -= offset;
  return alignment;
}

// Whether landmarks may be on a face: in a picture of that size, of a sane size, and near the
// alignment that they were found with. The network puts them anywhere (runtime/tracking/lost.py).
inline bool plausible(const Landmarks& landmarks, const Matrix& used, int width, int height) {
  for (const Point& p : landmarks)
    if (!std::isfinite(p.x) || !std::isfinite(p.y)) return false;
  const double eyes = inter_ocular(landmarks);
  if (!(eyes >= 6 && eyes <= 2. * std::max(width, height))) return false;
  const auto inside = std::count_if(landmarks.begin(), landmarks.end(), [&](Point p) {
    return p.x >= 0 && p.y >= 0 && p.x < width && p.y < height;
  });
  if (inside < 0.6 * landmarks.size()) return false;
  const Matrix found = alignment_matrix(landmarks);
  const double zoom = std::hypot(found.a, found.d) / std::hypot(used.a, used.d);
  const double turn = std::atan2(found.d, found.a) - std::atan2(used.d, used.a);
  constexpr double middle = (ALIGNED_SIZE - 1) / 2., most = 30 * 3.14159265358979 / 180;
  const Point moved = used(found.inverse()({middle, middle}));
  return zoom >= 1 / 1.5 && zoom <= 1.5 && std::cos(turn) >= std::cos(most) &&
         std::hypot(moved.x - middle, moved.y - middle) <= 0.25 * ALIGNED_SIZE;
}
