// Boxes around faces, pixels of the picture: runtime/boxes.py in C++.
#pragma once

#include <algorithm>

#include "geometry.hpp"

struct Box {
  double left, top, width, height;

  double area() const { return width * height; }
};

// From above the brows to the chin, cheek to cheek; it may reach outside the picture.
inline Box face_box(const Landmarks& landmarks) {
  const double unit = inter_ocular(landmarks);
  Point low = landmarks[0], high = low;
  for (const Point& p : landmarks) {
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const double left = low.x - 0.35 * unit, top = low.y - 0.35 * unit;
  return {left, top, high.x + 0.35 * unit - left, high.y + 0.55 * unit - top};
}

// About the same box around a face of which only the alignment is known.
inline Box alignment_box(const Matrix& alignment) {
  constexpr double middle = (ALIGNED_SIZE - 1) / 2.;
  const Point at = alignment.inverse()({middle, middle});
  const double side = 0.8 * ALIGNED_SIZE / std::hypot(alignment.a, alignment.d);
  return {at.x - side / 2, at.y - side / 2, side, side};
}

inline double common(const Box& a, const Box& b) {
  const auto along = [](double a, double length_a, double b, double length_b) {
    return std::max(0., std::min(a + length_a, b + length_b) - std::max(a, b));
  };
  return along(a.left, a.width, b.left, b.width) * along(a.top, a.height, b.top, b.height);
}

// Intersection over union, 0 to 1.
inline double overlap(const Box& a, const Box& b) {
  const double both = common(a, b);
  return both / (a.area() + b.area() - both);
}

// Whether two boxes are of one face: much the same, or one within the other, as where a finder
// takes a nose and a mouth for a face.
inline bool same_face(const Box& a, const Box& b) {
  return overlap(a, b) >= 0.5 || common(a, b) >= 0.8 * std::min(a.area(), b.area());
}
