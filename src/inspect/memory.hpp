// The memory of another process, read in small parts and kept: what was read while the process stood still stays as it was then.
//
// Relies on process_vm_readv(2), which the kernel allows to whom it allows ptrace. Never writes to the process.
#pragma once

#include <cstddef>
#include <cstdint>
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
  memory(const memory&) = delete;
  memory& operator=(const memory&) = delete;

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

  // Reads what is not known yet of the ranges, many in one call.
  void fetch(const std::vector<range>& ranges);
  // Reads everything that is known once more, as it is now.
  void refresh();
  // Forgets everything: the next read sees the process as it is then.
  void forget();

  std::size_t bytes() const { return bytes_; }
  pid_t pid() const { return pid_; }
  // The errno of the last read that failed for another reason than that nothing is mapped there; 0: none.
  int refused() const { return refused_; }

private:
  // Stacks of waiting fibers are mostly deep enough to span pages, and little of them matters: parts are smaller than pages.
  static constexpr std::size_t part_size = 512, parts_a_page = page_size / part_size;
  struct page {
    const unsigned char* part[parts_a_page] = {};  // null: not read yet
  };
  // Parts that lie side by side, and were read so.
  struct run {
    address first;        // number of its first part
    std::size_t count;
    unsigned char* at;
  };

  const unsigned char* part(address number);
  unsigned char* room(std::size_t parts);
  void note(const run& r, bool there);
  void read_runs(const std::vector<run>& runs, std::size_t first, std::size_t count);
  void read_alone(const run& r);

  pid_t pid_;
  int refused_ = 0;
  std::size_t bytes_ = 0;
  std::unordered_map<address, page> pages_;  // by number
  std::vector<run> runs_;
  std::vector<std::unique_ptr<unsigned char[]>> slabs_;
  std::size_t slab_ = 0, slab_used_ = 0;     // the one that is being filled
};

}  // namespace weft::inspect
