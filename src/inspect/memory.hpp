// The memory of another process, read page by page and kept: what was read while the process stood still stays as it was then.
//
// Relies on process_vm_readv(2), which the kernel allows to whom it allows ptrace. Never writes to the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <unordered_map>
#include <vector>

namespace weft::inspect {

using address = std::uint64_t;

struct range {
  address begin, end;
};

class memory {
public:
  static constexpr std::size_t page_size = 4096;

  explicit memory(pid_t pid) : pid_(pid) {}

  // Copies `size` bytes; false when not all of them are there.
  bool read(address at, void* to, std::size_t size);
  template <class T>
  std::optional<T> get(address at) {
    T value;
    if (!read(at, &value, sizeof value)) return std::nullopt;
    return value;
  }
  // The value, or what stands for "nothing there".
  template <class T>
  T get_or(address at, T otherwise = T{}) {
    return get<T>(at).value_or(otherwise);
  }
  // A string that ends with a zero; cut at `most`.
  std::string text(address at, std::size_t most = 256);

  // Reads the pages of the ranges that are not known yet, many in one call.
  void fetch(const std::vector<range>& ranges);
  // Forgets everything: the next read sees the process as it is then.
  void forget();

  std::size_t pages() const { return pages_.size(); }
  pid_t pid() const { return pid_; }
  // The errno of the last read that failed for another reason than that nothing is mapped there; 0: none.
  int refused() const { return refused_; }

private:
  const unsigned char* page(address number);
  unsigned char* room();

  pid_t pid_;
  int refused_ = 0;
  std::unordered_map<address, const unsigned char*> pages_;  // by number; null: not mapped
  std::vector<std::unique_ptr<unsigned char[]>> slabs_;
  std::size_t slab_used_ = 0;
};

}  // namespace weft::inspect
