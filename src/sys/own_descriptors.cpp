#include "sys/own_descriptors.hpp"

#include "sys/atomic.hpp"

namespace weft::sys {
namespace {

// A hub has up to four for good, and one for a moment where it waits for a child. What finds no place here is not protected.
constexpr int most = 256;
atomic<int> numbers[most];  // plus one; 0: free
atomic<int> used;           // places that were ever taken
atomic<int> lowest;         // of all that ever were, plus one: most numbers of a program lie below

}  // namespace

void note_own_descriptor(int fd) noexcept {
  if (fd < 0) return;
  for (int low = lowest.load_relaxed(); (low == 0 || fd + 1 < low) && !lowest.compare_exchange(low, fd + 1);) {}
  for (int i = 0; i < most; ++i) {
    int free = 0;
    if (numbers[i].load_relaxed() != 0 || !numbers[i].compare_exchange(free, fd + 1)) continue;
    for (int n = used.load_relaxed(); n <= i && !used.compare_exchange(n, i + 1);) {}
    return;
  }
}

void forget_own_descriptor(int fd) noexcept {
  for (int i = 0; i < used.load_acquire(); ++i)
    if (numbers[i].load_relaxed() == fd + 1) {
      numbers[i].store_release(0);
      return;
    }
}

bool is_own_descriptor(int fd) noexcept {
  const int low = lowest.load_relaxed();
  if (low == 0 || fd + 1 < low) [[likely]]
    return false;
  for (int i = 0; i < used.load_acquire(); ++i)
    if (numbers[i].load_relaxed() == fd + 1) return true;
  return false;
}

int next_own_descriptor(int fd) noexcept {
  int next = -1;
  for (int i = 0; i < used.load_acquire(); ++i) {
    const int own = numbers[i].load_relaxed() - 1;
    if (own >= fd && own >= 0 && (next < 0 || own < next)) next = own;
  }
  return next;
}

}  // namespace weft::sys
