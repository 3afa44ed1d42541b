// The native engine's threads by themselves, for tests/test_runtime_native_threads.py.
#include <cstdio>

#include "threads.hpp"

// Shares `rounds` loops of `size` calls, which count themselves in `counts` by their index; the one
// of the index `failing` throws in the first loop. Gives 1, or 0 and the reason if something threw
// where it should have, -1 if a loop that came after that was not whole.
extern "C" [[gnu::visibility("default")]] int share_loops(int count, int rounds, int size,
                                                          int failing, int* counts, char* message,
                                                          int message_size) {
  try {
    lgrnet::Threads threads(count);
    int result = 1;
    for (int round = 0; round < rounds; ++round) {
      try {
        threads.share(size, [&](int index, int) {
          ++counts[index];
          if (round == 0 && index == failing)
            throw std::runtime_error("no " + std::to_string(index));
        });
      } catch (const std::exception& error) {
        std::snprintf(message, message_size, "%s", error.what());
        result = round ? -1 : 0;
      }
    }
    return result;
  } catch (const std::exception& error) {
    std::snprintf(message, message_size, "%s", error.what());
    return 0;
  }
}
