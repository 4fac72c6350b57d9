// Functions that are called when a fiber is over: any_fiber::link, and their removal.
#include <exception>
#include <utility>

#include "core/hub_state.hpp"
#include "core/link_node.hpp"

namespace weft {
namespace detail {

link_node::link_node(const any_fiber& fiber, std::function<void(any_fiber)> f) : of(fiber), fn(std::move(f)) { notify = ended; }

void link_node::start() {
  spawn({.name = "link"}, [me = shared_from_this()] {
    if (!me->fn) return;  // removed between the end and this fiber's turn
    const std::function<void(any_fiber)> call = std::exchange(me->fn, {});
    any_fiber over = std::exchange(me->of, {});
    over.weft_base()->observed = true;
    call(std::move(over));
  });
}

bool link_node::remove() {
  if (!fn) return false;
  const std::shared_ptr<link_node> keep = std::move(kept);
  if (linked()) unlink();
  // Destructors of what it captured may do anything: nothing is looked at after them.
  const std::function<void(any_fiber)> gone = std::exchange(fn, {});
  const any_fiber handle = std::exchange(of, {});
  return true;
}

void link_node::ended(wait_node* n) noexcept {
  const std::shared_ptr<link_node> me = std::move(static_cast<link_node*>(n)->kept);
  try {
    me->start();
  } catch (...) {
    core::report_failure(me->of.weft_base(), std::current_exception());
    me->fn = {};
  }
}

}  // namespace detail

link_handle any_fiber::link(std::function<void(any_fiber)> fn) const {
  const detail::completion_view what = weft_completion();
  if (!detail::on_hub(what.home)) throw wrong_hub("the fiber");
  if (fn == nullptr) throw std::bad_function_call();
  auto node = std::make_shared<detail::link_node>(*this, std::move(fn));
  if (what.waiters == nullptr) {
    node->start();
  } else {
    node->kept = node;
    what.waiters->push_back(*node);
  }
  return link_handle(std::move(node));
}

bool link_handle::cancel() {
  if (!active()) return false;
  if (!detail::on_hub(node_->of.weft_base()->home)) throw wrong_hub("the link");
  return node_->remove();
}

bool link_handle::active() const noexcept { return node_ != nullptr && node_->fn != nullptr; }

}  // namespace weft
