// A few threads that share loops.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace lgrnet {

// The calling thread takes part, and waits only for work that another thread has begun: a thread
// that the system is slow to wake, or has given to another program, holds nobody up. Threads spin
// for a moment before they sleep, as a face has some fifty loops, many shorter than waking takes.
class Threads {
 public:
  explicit Threads(int count) {
    if (count < 1) throw std::invalid_argument("it runs on 1 thread or more");
    try {
      for (int thread = 1; thread < count; ++thread)
        workers_.emplace_back([this, thread] { work(thread); });
    } catch (const std::exception& error) {
      end();  // a thread that nobody joins would take the process with it
      throw std::runtime_error(std::to_string(count) + " threads cannot be started (" +
                               error.what() + "): give fewer");
    }
  }
  ~Threads() { end(); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(index, thread) for every index below `size`, in any order, and waits for all. Throws
  // what one of the calls has thrown, after all.
  void share(int size, const std::function<void(int, int)>& task) {
    if (workers_.empty() || size <= 1) {
      for (int index = 0; index < size; ++index) task(index, 0);
      return;
    }
    task_ = &task;
    done_.store(0, std::memory_order_relaxed);
    const uint64_t round = (state_.load(std::memory_order_relaxed) >> ROUND) + 1;
    state_.store(round << ROUND | static_cast<uint64_t>(size) << SIZE, std::memory_order_release);
    state_.notify_all();
    take(0);
    while (done_.load(std::memory_order_acquire) != size) pause();
    if (failed_.exchange(false)) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  // Number of the loop, its size and the next index of it, in one word: an index can be taken only
  // of the loop that is going on.
  static constexpr int ROUND = 40, SIZE = 20;
  static constexpr uint64_t MASK = (uint64_t{1} << 20) - 1;
  static constexpr int SPINS = 4000;  // some 100 µs

  void end() {
    ending_ = true;
    state_.fetch_add(uint64_t{1} << ROUND, std::memory_order_release);
    state_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
  }

  void take(int thread) {
    for (;;) {
      uint64_t state = state_.load(std::memory_order_acquire);
      const uint64_t index = state & MASK;
      if (index >= (state >> SIZE & MASK)) return;
      if (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) continue;
      try {
        (*task_)(static_cast<int>(index), thread);
      } catch (...) {
        if (!failed_.exchange(true)) failure_ = std::current_exception();
      }
      done_.fetch_add(1, std::memory_order_release);
    }
  }

  void work(int thread) {
    uint64_t seen = 0;
    while (!ending_) {
      take(thread);
      for (int spin = 0; spin < SPINS; ++spin) {
        seen = state_.load(std::memory_order_acquire);
        if (ending_ || (seen & MASK) < (seen >> SIZE & MASK)) break;
        pause();
      }
      if ((seen & MASK) >= (seen >> SIZE & MASK) && !ending_)
        state_.wait(seen, std::memory_order_acquire);
    }
  }

  std::atomic<uint64_t> state_{0};
  std::atomic<int> done_{0};
  std::atomic<bool> ending_{false}, failed_{false};
  std::exception_ptr failure_;  // of who has set failed_
  const std::function<void(int, int)>* task_ = nullptr;
  std::vector<std::thread> workers_;  // the last member: threads use the others
};

}  // namespace lgrnet
