#include "inspect/memory.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <sys/uio.h>

namespace weft::inspect {
namespace {

constexpr std::size_t pages_a_slab = 256;

}  // namespace

unsigned char* memory::room() {
  if (slabs_.empty() || slab_used_ == pages_a_slab) {
    slabs_.push_back(std::make_unique_for_overwrite<unsigned char[]>(pages_a_slab * page_size));
    slab_used_ = 0;
  }
  return slabs_.back().get() + page_size * slab_used_++;
}

const unsigned char* memory::page(address number) {
  if (const auto known = pages_.find(number); known != pages_.end()) return known->second;
  unsigned char* at = room();
  const iovec here{at, page_size}, there{reinterpret_cast<void*>(number * page_size), page_size};
  const ssize_t n = process_vm_readv(pid_, &here, 1, &there, 1, 0);
  if (n == static_cast<ssize_t>(page_size)) return pages_[number] = at;
  if (n < 0 && errno != EFAULT) refused_ = errno;
  --slab_used_;
  return pages_[number] = nullptr;
}

bool memory::read(address at, void* to, std::size_t size) {
  auto* out = static_cast<unsigned char*>(to);
  while (size > 0) {
    const std::size_t offset = at % page_size, n = std::min(size, page_size - offset);
    if (at > ~address{0} - n) return false;
    const unsigned char* from = page(at / page_size);
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
  for (; at != 0 && out.size() < most; ++at) {
    const auto c = get<char>(at);
    if (!c || *c == 0) break;
    out += *c;
  }
  return out;
}

void memory::fetch(const std::vector<range>& ranges) {
  std::vector<address> wanted;
  for (const range& r : ranges)
    for (address p = r.begin / page_size; p * page_size < r.end; ++p) wanted.push_back(p);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::erase_if(wanted, [&](address p) { return pages_.contains(p); });
  std::vector<iovec> here, there;
  for (std::size_t first = 0; first < wanted.size();) {
    const std::size_t count = std::min<std::size_t>(wanted.size() - first, IOV_MAX);
    here.clear();
    there.clear();
    for (std::size_t i = 0; i < count; ++i) {
      here.push_back({room(), page_size});
      there.push_back({reinterpret_cast<void*>(wanted[first + i] * page_size), page_size});
    }
    const ssize_t n = process_vm_readv(pid_, here.data(), count, there.data(), count, 0);
    const std::size_t got = n > 0 ? static_cast<std::size_t>(n) / page_size : 0;
    for (std::size_t i = 0; i < got; ++i) pages_[wanted[first + i]] = static_cast<unsigned char*>(here[i].iov_base);
    first += got;
    if (got == count) continue;
    // It stops at the first page that is not there.
    if (n < 0 && errno != EFAULT) {
      refused_ = errno;
      return;
    }
    pages_[wanted[first++]] = nullptr;
  }
}

void memory::forget() {
  pages_.clear();
  slabs_.clear();
  slab_used_ = 0;
}

}  // namespace weft::inspect
