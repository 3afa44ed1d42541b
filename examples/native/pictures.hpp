// Pixels: making a picture smaller, and cutting a face out of it as `warp` of runtime/align.py
// does.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "geometry.hpp"

struct Picture {
  int width, height;
  std::vector<uint8_t> bgr;

  double at(int x, int y, int channel) const {
    const bool inside = x >= 0 && y >= 0 && x < width && y < height;
    return inside ? bgr[(static_cast<size_t>(y) * width + x) * 3 + channel] : 128;  // grey outside
  }
};

// The means of factor × factor pixels, from (left, top) on.
inline Picture averaged(const Picture& picture, int factor, int left, int top, int width,
                        int height) {
  Picture out{width, height, std::vector<uint8_t>(size_t{3} * width * height)};
  for (size_t i = 0; i < out.bgr.size(); ++i) {
    const int channel = i % 3, x = left + static_cast<int>(i / 3 % width) * factor;
    const int y = top + static_cast<int>(i / 3 / width) * factor;
    double sum = 0;
    for (int row = y; row < y + factor; ++row)
      for (int column = x; column < x + factor; ++column) sum += picture.at(column, row, channel);
    out.bgr[i] = static_cast<uint8_t>(std::lround(sum / (factor * factor)));
  }
  return out;
}

// A smaller picture: each new pixel is the mean of the rectangle of old ones that it covers.
inline Picture shrunk(const Picture& picture, int width, int height) {
  Picture out{width, height, std::vector<uint8_t>(size_t{3} * width * height)};
  const double across = static_cast<double>(picture.width) / width;
  const double down = static_cast<double>(picture.height) / height;
  // How much of old pixel i lies in the stretch that begins at `from`.
  const auto share = [](int i, double from, double length) {
    return std::min(i + 1., from + length) - std::max<double>(i, from);
  };
  for (size_t i = 0; i < out.bgr.size(); ++i) {
    const double left = i / 3 % width * across, top = i / 3 / width * down;
    double sum = 0, total = 0;
    for (int y = static_cast<int>(top); y < std::min<double>(picture.height, top + down); ++y)
      for (int x = static_cast<int>(left); x < std::min<double>(picture.width, left + across);
           ++x) {
        const double weight = share(y, top, down) * share(x, left, across);
        sum += weight * picture.at(x, y, i % 3);
        total += weight;
      }
    out.bgr[i] = static_cast<uint8_t>(std::lround(sum / total));
  }
  return out;
}

// (size, size, 3) bytes, BGR, sampled bilinearly. Faces that shrink to half or less are averaged
// down by a whole factor first, or sampling would skip pixels.
inline std::vector<uint8_t> cut(const Picture& whole, Matrix matrix, int size = CROP_SIZE) {
  Picture smaller;
  const Picture* picture = &whole;
  const int factor = static_cast<int>(1 / std::max(std::hypot(matrix.a, matrix.d), 1e-6));
  if (factor >= 2) {
    const Matrix back = matrix.inverse();
    const double side = size;
    Point low = back({0, 0}), high = low;
    for (const Point& corner : {back({side, 0}), back({0, side}), back({side, side})}) {
      low = {std::min(low.x, corner.x), std::min(low.y, corner.y)};
      high = {std::max(high.x, corner.x), std::max(high.y, corner.y)};
    }
    const auto first = [&](double from) {
      return std::max(static_cast<int>(std::floor(from)) - factor, 0);
    };
    const auto last = [&](double to, int end) {
      return std::min(static_cast<int>(std::ceil(to)) + factor, end);
    };
    const int left = first(low.x), top = first(low.y);
    const int width = (last(high.x, whole.width) - left) / factor;
    const int height = (last(high.y, whole.height) - top) / factor;
    if (width >= 1 && height >= 1) {
      smaller = averaged(whole, factor, left, top, width, height);
      picture = &smaller;
      const Point centre = matrix({left + (factor - 1) / 2., top + (factor - 1) / 2.});
      matrix = {matrix.a * factor, matrix.b * factor, centre.x,
                matrix.d * factor, matrix.e * factor, centre.y};
    }
  }
  const Matrix back = matrix.inverse();
  std::vector<uint8_t> out;
  out.reserve(size_t{3} * size * size);
  for (int row = 0; row < size; ++row) {
    for (int column = 0; column < size; ++column) {
      const Point p = back({static_cast<double>(column), static_cast<double>(row)});
      const int x = static_cast<int>(std::floor(p.x)), y = static_cast<int>(std::floor(p.y));
      const double right = p.x - x, below = p.y - y;
      for (int channel = 0; channel < 3; ++channel) {
        const auto across = [&](int line) {
          return (1 - right) * picture->at(x, line, channel) +
                 right * picture->at(x + 1, line, channel);
        };
        out.push_back(
            static_cast<uint8_t>(std::lround((1 - below) * across(y) + below * across(y + 1))));
      }
    }
  }
  return out;
}
