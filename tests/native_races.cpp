// Loops whose threads write and read the same memory, for tests/test_runtime_native_threads.py,
// which compiles them with ThreadSanitizer.
#include "threads.hpp"

int main() {
  constexpr int COUNT = 3, ROUNDS = 50;
  int numbers[COUNT] = {}, sums[COUNT] = {};
  lgrnet::Threads threads(COUNT);
  // Each thread takes one index, as it waits until all are taken; which orders nothing.
  const auto share = [&](const auto& task) {
    std::atomic<int> taken = 0;
    threads.share(COUNT, [&](int index, int) {
      taken.fetch_add(1, std::memory_order_relaxed);
      while (taken.load(std::memory_order_relaxed) < COUNT) std::this_thread::yield();
      task(index);
    });
  };
  for (int round = 0; round < ROUNDS; ++round) {
    share([&](int index) { numbers[index] = round * index; });
    int total = 0;
    for (int& number : numbers) total += number++;
    share([&](int index) { sums[index] += numbers[COUNT - 1 - index] + total; });
  }
  // Σ 3 r + r i + 1, i being the others' index.
  int failed = 0;
  for (int i = 0; i < COUNT; ++i)
    failed |= sums[i] != (3 + COUNT - 1 - i) * ROUNDS * (ROUNDS - 1) / 2 + ROUNDS;
  return failed;
}
