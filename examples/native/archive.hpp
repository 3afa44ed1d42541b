// Model files of the native engine: NumPy archives (.npz), that is, zip files of arrays that are
// not packed.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "weights.hpp"  // of runtime/native/engine

struct Archive {
  std::map<std::string, std::vector<float>> arrays;
  std::map<std::string, std::string> texts;
};

// What is read is checked against the end of the file, as a download may be cut.
class Bytes {
 public:
  explicit Bytes(std::string content) : content_(std::move(content)) {}

  size_t size() const { return content_.size(); }

  std::string text(size_t at, size_t length) const {
    if (at > size() || length > size() - at) throw std::runtime_error("the model file is cut");
    return content_.substr(at, length);
  }

  template <class Number>
  Number number(size_t at) const {  // little-endian, as zip and these arrays are
    Number value;
    std::memcpy(&value, text(at, sizeof value).data(), sizeof value);
    return value;
  }

  size_t last(const std::string& what) const { return content_.rfind(what); }

  // CRC-32, as zip has it of each array.
  uint32_t checksum(size_t at, size_t length) const {
    static const std::array<uint32_t, 256> table = [] {
      std::array<uint32_t, 256> all{};
      for (uint32_t byte = 0; byte < all.size(); ++byte) {
        all[byte] = byte;
        for (int bit = 0; bit < 8; ++bit)
          all[byte] = all[byte] >> 1 ^ (all[byte] & 1 ? 0xEDB88320u : 0u);
      }
      return all;
    }();
    uint32_t sum = ~0u;
    for (const char each : text(at, length))
      sum = table[(sum ^ static_cast<uint8_t>(each)) & 255] ^ sum >> 8;
    return ~sum;
  }

 private:
  std::string content_;
};

inline float from_half(uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const float size = exponent ? std::ldexp(1024.f + fraction, exponent - 25)
                              : std::ldexp(static_cast<float>(fraction), -24);
  return half >> 15 ? -size : size;
}

// One array: the format of https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
inline void add_array(Archive& archive, const std::string& name, const Bytes& file, size_t at,
                      size_t length) {
  if (file.text(at, 8) != std::string("\x93NUMPY\x01\x00", 8))
    throw std::runtime_error(name + " is no array of the first version of NumPy's format");
  const size_t start = at + 10 + file.number<uint16_t>(at + 8);
  const std::string header = file.text(at + 10, start - at - 10);
  const size_t end = at + length;
  const auto is = [&](const char* type) { return header.find(type) != std::string::npos; };
  if (is("'<f4'")) {
    auto& array = archive.arrays[name];  // also if it is empty, as the gates of a single AU are
    for (size_t i = start; i < end; i += 4) array.push_back(file.number<float>(i));
  } else if (is("'<f2'")) {
    auto& array = archive.arrays[name];
    for (size_t i = start; i < end; i += 2) array.push_back(from_half(file.number<uint16_t>(i)));
  } else if (is("'<U")) {  // four bytes a character, of which these files use only ASCII
    for (size_t i = start; i < end; i += 4) archive.texts[name] += file.text(i, 1);
  } else {
    throw std::runtime_error(name + " is of a type that models do not hold: " + header);
  }
}

inline Archive read_archive(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error(path + " cannot be opened");
  const Bytes file(std::string(std::istreambuf_iterator<char>(stream), {}));
  const size_t end = file.last("PK\5\6");  // the table of contents tells where each array begins
  if (end == std::string::npos) throw std::runtime_error(path + " is cut, or no .npz file");
  const int count = file.number<uint16_t>(end + 10);
  size_t entry = file.number<uint32_t>(end + 16);
  Archive archive;
  size_t total = 0;
  for (int i = 0; i < count; ++i) {
    const size_t length = file.number<uint32_t>(entry + 24),
                 named = file.number<uint16_t>(entry + 28);
    std::string name = file.text(entry + 46, named);
    if (file.number<uint16_t>(entry + 10) != 0) throw std::runtime_error(name + " is packed");
    const size_t local = file.number<uint32_t>(entry + 42);
    const size_t data =
        local + 30 + file.number<uint16_t>(local + 26) + file.number<uint16_t>(local + 28);
    if (!name.ends_with(".npy")) throw std::runtime_error(name + " is no array");
    name.resize(name.size() - 4);
    file.text(data, length);
    if ((total += length) > file.size()) throw std::runtime_error(path + " holds one array twice");
    if (file.checksum(data, length) != file.number<uint32_t>(entry + 16))
      throw std::runtime_error(path + " is damaged in " + name + ": copy it again");
    add_array(archive, name, file, data, length);
    entry += 46 + named + file.number<uint16_t>(entry + 30) + file.number<uint16_t>(entry + 32);
  }
  return archive;
}

// What an archive says under a name.
inline const std::string& told(const Archive& archive, const std::string& name,
                               const std::string& path) {
  const auto found = archive.texts.find(name);
  if (found == archive.texts.end())
    throw std::runtime_error(path + " is another file than is needed here: it holds no " + name);
  return found->second;
}

// The arrays as the engine takes them, which stay in the archive.
inline lgrnet::Weights weights(const Archive& archive) {
  static constexpr float NOTHING = 0;  // an empty vector is nowhere, as what is missing
  lgrnet::Weights all;
  for (const auto& [name, array] : archive.arrays)
    all.add(name, {array.empty() ? &NOTHING : array.data(), static_cast<int64_t>(array.size())});
  return all;
}

// The numbers behind a key of flat JSON: "aus": [1, 2, 4] or "grid": 16.
inline std::vector<float> numbers(const std::string& json, const std::string& key) {
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

// `count` whole numbers behind a key.
inline void fill(const std::string& json, const std::string& key, int32_t* to, size_t count) {
  const auto found = numbers(json, key);
  if (found.size() < count) throw std::runtime_error("the model's " + key + " is short");
  for (size_t i = 0; i < count; ++i) to[i] = static_cast<int32_t>(found[i]);
}
