#include "inspect/memory.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <sys/uio.h>

namespace weft::inspect {
namespace {

constexpr std::size_t slab_bytes = 1 << 20;
constexpr std::size_t longest_run = 128;  // parts

// What stands for a part that is not mapped.
const unsigned char nothing = 0;

}  // namespace

unsigned char* memory::room(std::size_t parts) {
  if (slab_ < slabs_.size() && slab_used_ + parts * part_size > slab_bytes) {
    ++slab_;
    slab_used_ = 0;
  }
  if (slab_ == slabs_.size()) slabs_.push_back(std::make_unique_for_overwrite<unsigned char[]>(slab_bytes));
  unsigned char* at = slabs_[slab_].get() + slab_used_;
  slab_used_ += parts * part_size;
  return at;
}

void memory::note(const run& r, bool there) {
  for (std::size_t i = 0; i < r.count; ++i) {
    const address number = r.first + i;
    pages_[number / parts_a_page].part[number % parts_a_page] = there ? r.at + i * part_size : &nothing;
  }
  if (there) bytes_ += r.count * part_size;
}

// Reads runs [first, first + count), which are at most IOV_MAX.
void memory::read_runs(const std::vector<run>& runs, std::size_t first, std::size_t count) {
  iovec here[IOV_MAX], there[IOV_MAX];
  while (count > 0) {
    for (std::size_t i = 0; i < count; ++i) {
      const run& r = runs[first + i];
      here[i] = {r.at, r.count * part_size};
      there[i] = {reinterpret_cast<void*>(r.first * part_size), r.count * part_size};
    }
    const ssize_t n = process_vm_readv(pid_, here, count, there, count, 0);
    if (n < 0 && errno != EFAULT) {
      refused_ = errno;
      for (std::size_t i = 0; i < count; ++i) note(runs[first + i], false);
      return;
    }
    // It stops at the first run of which something is not there.
    std::size_t left = n > 0 ? static_cast<std::size_t>(n) : 0, got = 0;
    while (got < count && left >= runs[first + got].count * part_size) {
      left -= runs[first + got].count * part_size;
      note(runs[first + got++], true);
    }
    if (got < count) read_alone(runs[first + got++]);
    first += got;
    count -= got;
  }
}

void memory::read_alone(const run& r) {
  for (std::size_t i = 0; i < r.count; ++i) {
    const run one{r.first + i, 1, r.at + i * part_size};
    const iovec here{one.at, part_size}, there{reinterpret_cast<void*>(one.first * part_size), part_size};
    note(one, process_vm_readv(pid_, &here, 1, &there, 1, 0) == static_cast<ssize_t>(part_size));
  }
}

const unsigned char* memory::part(address number) {
  page& p = pages_[number / parts_a_page];
  const unsigned char*& known = p.part[number % parts_a_page];
  if (known == nullptr) {
    // What else of the page is not known, too: the next questions are mostly about that.
    const address begin = number - number % parts_a_page;
    std::size_t from = number % parts_a_page, to = from + 1;
    while (from > 0 && p.part[from - 1] == nullptr) --from;
    while (to < parts_a_page && p.part[to] == nullptr) ++to;
    const run r{begin + from, to - from, room(to - from)};
    runs_.push_back(r);
    read_runs(runs_, runs_.size() - 1, 1);
  }
  const unsigned char* at = pages_[number / parts_a_page].part[number % parts_a_page];
  return at != &nothing ? at : nullptr;
}

bool memory::read(address at, void* to, std::size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  while (size > 0) {
    const std::size_t offset = at % part_size, n = std::min(size, part_size - offset);
    if (at > ~address{0} - n) return false;
    const unsigned char* from = part(at / part_size);
    if (from == nullptr) return false;
    std::memcpy(out, from + offset, n);
    out += n;
    at += n;
    size -= n;
  }
  return true;
}

std::string memory::text(address at, std::size_t most) {
  std::string out;
  while (at != 0 && out.size() < most) {
    const unsigned char* from = part(at / part_size);
    if (from == nullptr) break;
    const std::size_t offset = at % part_size, n = std::min(most - out.size(), part_size - offset);
    const auto* begin = reinterpret_cast<const char*>(from + offset);
    const std::size_t length = strnlen(begin, n);
    out.append(begin, length);
    if (length < n) break;
    at += n;
  }
  return out;
}

void memory::fetch(const std::vector<range>& ranges) {
  std::vector<address> wanted;
  for (const range& r : ranges)
    for (address n = r.begin / part_size; n * part_size < r.end; ++n) {
      const auto known = pages_.find(n / parts_a_page);
      if (known == pages_.end() || known->second.part[n % parts_a_page] == nullptr) wanted.push_back(n);
    }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  const std::size_t before = runs_.size();
  for (std::size_t i = 0; i < wanted.size();) {
    std::size_t n = 1;
    while (i + n < wanted.size() && wanted[i + n] == wanted[i] + n && n < longest_run) ++n;
    runs_.push_back({wanted[i], n, room(n)});
    i += n;
  }
  for (std::size_t i = before; i < runs_.size(); i += IOV_MAX) read_runs(runs_, i, std::min<std::size_t>(IOV_MAX, runs_.size() - i));
}

void memory::refresh() {
  bytes_ = 0;
  for (std::size_t i = 0; i < runs_.size(); i += IOV_MAX) read_runs(runs_, i, std::min<std::size_t>(IOV_MAX, runs_.size() - i));
}

void memory::forget() {
  pages_.clear();
  runs_.clear();
  slab_ = slab_used_ = bytes_ = 0;
}

}  // namespace weft::inspect
