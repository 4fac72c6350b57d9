// A function that waits for a fiber's end, from any_fiber::link until it is called or removed. For the ordinary C++ files.
//
// Made at link(), so that nothing but the fiber for the call can fail at the end.
#pragma once

#include <functional>
#include <memory>

#include "weft/fiber.hpp"

namespace weft::detail {

// Waits in the fiber's list of who is told, `kept` by itself -> a fiber for the call exists -> called. Removed in one of the first two: it
// has no function, and is not called.
struct link_node : wait_node, std::enable_shared_from_this<link_node> {
  link_node(const any_fiber& fiber, std::function<void(any_fiber)> f);

  // Starts the fiber that calls. Throws out_of_stacks, bad_alloc.
  void start();
  bool remove();
  // Told by the core as the fiber ends: bounded, and never parks.
  static void ended(wait_node* n) noexcept;

  any_fiber of;
  std::function<void(any_fiber)> fn;
  std::shared_ptr<link_node> kept;
};

}  // namespace weft::detail
