// futex_waitv(2): one fiber on up to 128 futexes.
#include "io/futex.hpp"

#include <cerrno>
#include <linux/futex.h>
#include <new>

#include "core/hub.hpp"
#include "sys/mem.hpp"

namespace weft::io::futex {
namespace {

// The nodes of one call: on the stack when they are few.
class node_array {
public:
  node_array() noexcept = default;
  ~node_array() {
    if (memory_ != local_) sys::unmap(memory_, bytes_);
  }
  node_array(const node_array&) = delete;
  node_array& operator=(const node_array&) = delete;

  bool reserve(unsigned count) noexcept {
    bytes_ = sys::round_up(count * (sizeof(node) + sizeof(node*)), sys::page_size);
    if (count <= on_stack) return true;
    auto* more = static_cast<unsigned char*>(sys::map(bytes_));
    if (more == nullptr) return false;
    memory_ = more;
    pointers_ = reinterpret_cast<node**>(more + count * sizeof(node));
    return true;
  }
  node& make(unsigned i, hub& h, key k) noexcept {
    pointers_[i] = new (memory_ + i * sizeof(node)) node(h, k, FUTEX_BITSET_MATCH_ANY);
    return *pointers_[i];
  }
  node* const* all() const noexcept { return pointers_; }

private:
  static constexpr unsigned on_stack = 4;
  alignas(node) unsigned char local_[on_stack * sizeof(node)];
  node* local_pointers_[on_stack] = {};
  unsigned char* memory_ = local_;
  node** pointers_ = local_pointers_;
  std::size_t bytes_ = 0;
};

// Takes all out; the last that was woken, -1 when none was.
long leave_all(hub& h, node* const* nodes, unsigned count) noexcept {
  long woken = -1;
  for (unsigned i = 0; i < count; ++i)
    if (nodes[i]->arrived || leave(h, *nodes[i])) woken = i;
  return woken;
}

}  // namespace

long wait_vector(hub& h, const futex_waitv* vector, unsigned count, time_limit limit) noexcept {
  if (!may_park(h)) return ended_by(wake::impossible);
  node_array nodes;
  if (!nodes.reserve(count)) return -ENOMEM;
  for (unsigned i = 0; i < count; ++i) {
    node& n = nodes.make(i, h, {vector[i].uaddr, kind::own});
    link_result linked;
    {
      const inside guard(&h);
      linked = link_if_equal(n, static_cast<std::uint32_t>(vector[i].val));
    }
    if (linked == link_result::linked) continue;
    const long woken = leave_all(h, nodes.all(), i);
    if (woken >= 0) return woken;
    return linked == link_result::fault ? -EFAULT : linked == link_result::different ? -EAGAIN : ended_by(wake::impossible);
  }
  const wake why = park(h, nodes.all(), count, limit, signals::end_it);
  const long woken = leave_all(h, nodes.all(), count);
  if (woken >= 0) return woken;
  return why == wake::timeout ? -ETIMEDOUT : ended_by(why);
}

}  // namespace weft::io::futex
