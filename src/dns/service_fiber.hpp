// Starts a fiber of Weft's own: not counted among the program's, so that it keeps nobody from being the only one left.
#pragma once

#include <utility>

#include "weft/detail/fiber_body.hpp"

namespace weft::dns {

// Runs fn() in a detached fiber of the calling thread's hub. Throws out_of_stacks. fn must not throw.
template <class F>
void start_service_fiber(detail::hub& h, std::string_view name, F fn) {
  using whole = detail::fiber_with_body<void, F>;
  const detail::fiber_block block = detail::fiber_alloc(h, sizeof(whole), 0);
  if (block.at == nullptr) detail::throw_out_of_stacks();
  auto* f = ::new (block.at) whole(std::move(fn));
  f->home = &h;
  f->epoch = block.epoch;
  f->stack_log2 = block.stack_log2;
  f->ops = &whole::operations;
  f->service = true;
  detail::set_name(f, name);
  detail::fiber_start(f);
  detail::fiber_release(f);
}

}  // namespace weft::dns
