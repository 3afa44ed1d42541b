// What Python calls (runtime.backends.native and runtime.finders.grids_native, through ctypes).
// Nothing is thrown across: functions that can fail return null or 0 and leave the reason in
// `message`.
#include <cstdio>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "cpu.hpp"
#include "finder.hpp"
#include "network.hpp"

using lgrnet::FinderNetwork;
using lgrnet::Network;

namespace {

Network& network(void* engine) { return *static_cast<Network*>(engine); }

// What a file holds: `count` arrays, which must stay where they are while the engine is open.
lgrnet::Weights weights(const char* const* names, const float* const* data, const int64_t* sizes,
                        int count) {
  lgrnet::Weights all;
  for (int i = 0; i < count; ++i) all.add(names[i], {data[i], sizes[i]});
  return all;
}

// What work() returns; if it throws, the reason goes into `message`, and nothing is returned.
template <class Work>
auto guarded(char* message, int message_size, const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    std::snprintf(message, message_size, "there is not memory enough");
    return {};
  } catch (const std::exception& error) {
    std::snprintf(message, message_size, "%s", error.what());
    return {};
  }
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

const char* lgrnet_instruction_set() { return lgrnet::instruction_set(); }

int lgrnet_runs_here() { return lgrnet::runs_here(); }

void* lgrnet_open(const lgrnet::Shape* shape, const char* const* names, const float* const* data,
                  const int64_t* sizes, int count, int threads, char* message, int message_size) {
  return guarded(message, message_size,
                 [&] { return new Network(*shape, weights(names, data, sizes, count), threads); });
}

// Network::run.
int lgrnet_run(void* engine, const uint8_t* face, float* probability, float* landmarks,
               float* intensity, char* message, int message_size) {
  return guarded(message, message_size, [&] {
    network(engine).run(face, probability, landmarks, intensity);
    return 1;
  });
}

// From now on what layers see is counted; for one thread, and floating point.
int lgrnet_observe(void* engine, char* message, int message_size) {
  return guarded(message, message_size, [&] {
    for (auto& [name, groups] : network(engine).observed())
      for (auto* layer : groups) layer->observe();
    return 1;
  });
}

// Gives take(name, groups, positions, counts) the histograms, (groups, positions, 256).
int lgrnet_histograms(void* engine, void (*take)(const char*, int, int, const float*),
                      char* message, int message_size) {
  using lgrnet::BINS;
  return guarded(message, message_size, [&] {
    for (auto& [name, groups] : network(engine).observed()) {
      const int count = static_cast<int>(groups.size());
      const int positions = static_cast<int>(groups[0]->seen().size());
      std::vector<float> counts(static_cast<size_t>(count) * positions * BINS);
      float* to = counts.data();
      for (auto* layer : groups)
        for (const auto& histogram : layer->seen()) histogram.give(std::exchange(to, to + BINS));
      take(name.c_str(), count, positions, counts.data());
    }
    return 1;
  });
}

void lgrnet_close(void* engine) { delete static_cast<Network*>(engine); }

void* lgrnet_finder_open(const lgrnet::FinderShape* shape, const char* const* names,
                         const float* const* data, const int64_t* sizes, int count, int threads,
                         char* message, int message_size) {
  return guarded(message, message_size, [&] {
    return new FinderNetwork(*shape, weights(names, data, sizes, count), threads);
  });
}

// FinderNetwork::run.
int lgrnet_finder_run(void* finder, const uint8_t* picture, int height, int width, float* fine,
                      float* middle, float* coarse, char* message, int message_size) {
  return guarded(message, message_size, [&] {
    static_cast<FinderNetwork*>(finder)->run(picture, height, width, {fine, middle, coarse});
    return 1;
  });
}

void lgrnet_finder_close(void* finder) { delete static_cast<FinderNetwork*>(finder); }
}
#pragma GCC visibility pop
