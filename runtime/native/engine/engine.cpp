// What Python calls (runtime.backends.native, through ctypes). Nothing is thrown across: functions
// that can fail return null or false and leave the reason in `message`.
#include <cstdio>
#include <exception>

#include "network.hpp"

using lgrnet::Network;

namespace {

Network& network(void* engine) { return *static_cast<Network*>(engine); }

void tell(char* message, int size, const char* text) { std::snprintf(message, size, "%s", text); }

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

const char* lgrnet_instruction_set() { return lgrnet::instruction_set(); }

int lgrnet_runs_here() { return lgrnet::runs_here(); }

// names, data, sizes: `count` arrays, which must stay where they are while the engine is open.
void* lgrnet_open(const lgrnet::Shape* shape, const char* const* names, const float* const* data,
                  const int64_t* sizes, int count, int threads, char* message, int message_size) {
  try {
    lgrnet::Weights weights;
    for (int i = 0; i < count; ++i) weights.add(names[i], {data[i], sizes[i]});
    return new Network(*shape, weights, threads);
  } catch (const std::exception& error) {
    tell(message, message_size, error.what());
    return nullptr;
  }
}

void lgrnet_run(void* engine, const uint8_t* face, float* probability, float* landmarks,
                float* intensity) {
  network(engine).run(face, probability, landmarks, intensity);
}

// From now on what layers see is counted; for one thread, and floating point.
void lgrnet_observe(void* engine) {
  for (auto& [name, groups] : network(engine).observed())
    for (auto* layer : groups) layer->observe();
}

// Gives take(name, groups, positions, counts) the histograms, (groups, positions, 256).
void lgrnet_histograms(void* engine, void (*take)(const char*, int, int, const float*)) {
  using lgrnet::BINS;
  for (auto& [name, groups] : network(engine).observed()) {
    const size_t positions = groups[0]->seen().size();
    std::vector<float> counts(groups.size() * positions * BINS);
    float* to = counts.data();
    for (auto* layer : groups)
      for (const auto& histogram : layer->seen()) histogram.give(std::exchange(to, to + BINS));
    take(name.c_str(), static_cast<int>(groups.size()), static_cast<int>(positions), counts.data());
  }
}

void lgrnet_close(void* engine) { delete static_cast<Network*>(engine); }
}
#pragma GCC visibility pop
