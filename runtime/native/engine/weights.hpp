// The arrays of a model file, by name.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

namespace lgrnet {

// Says why a file cannot be used.
[[noreturn]] inline void unusable(const std::string& reason) {
  throw std::runtime_error(reason + ": export it again");
}

struct Array {
  const float* data;
  int64_t size;
};

class Weights {
 public:
  void add(const std::string& name, Array array) { arrays_[name] = array; }

  // Throws where the array is missing or of another size.
  const float* get(const std::string& name, int64_t size) const {
    const float* data = find(name, size);
    if (!data) unusable("array " + name + " is missing");
    return data;
  }

  // Null where the array is missing; throws where it is of another size.
  const float* find(const std::string& name, int64_t size) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) return nullptr;
    if (found->second.size != size)
      unusable("array " + name + " holds " + std::to_string(found->second.size) +
               " numbers instead of " + std::to_string(size));
    return found->second.data;
  }

 private:
  std::map<std::string, Array> arrays_;
};

}  // namespace lgrnet
