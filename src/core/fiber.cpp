// Fiber control blocks: made, started, given back. Blocks of one size are reused for blocks of that size only, and `epoch` lives
// through it: who gives a block back raises it, a fresh block is all zero.
#include "core/new_fiber.hpp"

namespace weft::core {

void (*fiber_dispose)(fiber_base* f) noexcept = nullptr;

}  // namespace weft::core

namespace weft::detail {

fiber_block fiber_alloc(hub& h, std::size_t size, std::size_t stack_size) noexcept {
  const unsigned log2 = stack_size == 0 ? h.default_stack_log2 : core::stack_pool::size_class(stack_size);
  if (h.stacks.in_use() >= h.stacks.most_in_use() && !h.stacks.could_take(log2)) [[unlikely]]
    return {nullptr, 0, 0};
  bool fresh = false;
  void* block = h.blocks.take(size, fresh);
  if (block == nullptr) [[unlikely]]
    return {nullptr, 0, 0};
  ++h.blocks_out;
  return {block, static_cast<fiber_base*>(block)->epoch, static_cast<std::uint8_t>(log2)};
}

[[gnu::noinline]] static fiber_base* spawn_with_care(hub& h, const fiber_ops* ops, std::size_t stack_size, const void* site) noexcept {
  const fiber_block block = fiber_alloc(h, ops->size, stack_size);
  if (block.at == nullptr) [[unlikely]]
    return nullptr;
  fiber_base* f = core::begin_life(h, block.at, ops, core::newborn(block.stack_log2, false), site);
  if (h.traced) core::trace::spawn(h, f);
  return f;
}

// What nearly every spawn does: there is a stack for it, and a block that was used before. It calls nobody.
fiber_base* fiber_spawn(hub& h, const fiber_ops* ops, std::size_t stack_size) noexcept {
  const void* site = __builtin_return_address(0);
  void* at = nullptr;
  if (stack_size == 0 && h.stacks.in_use() < h.stacks.most_in_use() && !h.traced) [[likely]]
    at = h.blocks.take_used(ops->size);
  if (at == nullptr) [[unlikely]]
    return spawn_with_care(h, ops, stack_size, site);
  ++h.blocks_out;
  return core::begin_life(h, at, ops, core::newborn(h.default_stack_log2, false), site);
}

void fiber_dealloc(hub& h, fiber_block block, std::size_t size) noexcept {
  static_cast<fiber_base*>(block.at)->epoch = block.epoch;
  h.blocks.give(block.at, size);
  --h.blocks_out;
}

void fiber_start(fiber_base* f) noexcept {
  hub& h = *f->home;
  ++h.stats.fibers_created;
  if (!f->service) ++h.live;
  ++f->refs;  // the run's own
  f->site = __builtin_return_address(0);
  f->created = h.cached_now;
  core::make_ready(f);
  f->state = fiber_state::created;
  if (h.traced) [[unlikely]]
    core::trace::spawn(h, f);
}

[[gnu::noinline]] static void free_with_care(hub& h, fiber_base* f) noexcept {
  if (f->green) return core::on_thread_block_free(f);
  // A cancellation from another thread may be on its way to this fiber: it must arrive before the block is another fiber's.
  if (!h.inbox.quick_empty() && !h.closing) core::take_remote(h);
  if (core::leaves_something(f)) core::fiber_dispose(f);
  core::give_block(h, f);
}

void fiber_free(fiber_base* f) noexcept {
  hub& h = *f->home;
  if (!core::leaves_quietly(h, f)) [[unlikely]]
    return free_with_care(h, f);
  core::give_block(h, f);
}

}  // namespace weft::detail
