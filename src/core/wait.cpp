// The waitable protocol's waits, and what the core's answers throw.
#include "core/hub_state.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/waitable.hpp"

namespace weft::detail {

void throw_if_ended(hub& h, wake why, const char* reason) {
  switch (why) {
    case wake::pending:
    case wake::ready:
    case wake::timeout:
    case wake::signalled:
    case wake::closed: return;
    case wake::cancelled: throw cancelled();
    case wake::interrupted: {
      fiber_base* f = h.block->current;
      const auto e = std::exchange(*reinterpret_cast<std::exception_ptr*>(&f->extra->thrown), nullptr);
      std::rethrow_exception(e);
    }
    case wake::deadlock:
      throw deadlock(core::deadlock_report(h, reason));
    case wake::impossible:
      if (!h.block->current->in_task) throw would_block_hub(reason);
      throw would_block_hub((std::string(reason) + " in a coroutine: co_await its form in weft::async, or weft::in_fiber").c_str());
  }
}

bool wait_done(completion_view what, nanos deadline, const char* reason) {
  hub& h = current_hub();
  if (what.home != &h) throw wrong_hub("what is waited for");
  if (what.fiber != nullptr && what.fiber == current_fiber()) throw self_join();
  check_cancelled(h);
  if (what.waiters == nullptr) return true;
  waiter w(reason);
  what.waiters->push_back(w);
  return wait_on(h, w, deadline);
}

countdown::countdown(hub& h, std::size_t count) : home(&h), links(new link[count]) {}

countdown::~countdown() {
  for (std::size_t i = 0; i < used; ++i)
    if (links[i].linked()) links[i].unlink();
  delete[] links;
}

void countdown::watch(completion_view what) {
  if (what.home != home) throw wrong_hub("what is waited for");
  if (what.fiber != nullptr && what.fiber == current_fiber()) throw self_join();
  link& l = links[used++];
  l.owner = this;
  l.notify = [](wait_node* n) noexcept {
    link* l = static_cast<link*>(n);
    countdown& c = *l->owner;
    l->next_done = nullptr;
    (c.last_done != nullptr ? c.last_done->next_done : c.first_done) = l;
    c.last_done = l;
    if (c.parked != nullptr) unpark(*c.parked);
  };
  if (what.waiters == nullptr)
    l.notify(&l);
  else
    what.waiters->push_back(l);
}

std::size_t countdown::wait_one(nanos deadline, const char* reason) {
  while (first_done == nullptr) {
    waiter w(reason);
    parked = &w;
    const wake why = park(*home, w, deadline);
    parked = nullptr;
    if (why == wake::timeout && first_done == nullptr) return none;
    if (why != wake::ready && why != wake::timeout) throw_if_ended(*home, why, reason);
  }
  return take_one();
}

std::size_t countdown::take_one() noexcept {
  link* l = first_done;
  first_done = l->next_done;
  if (first_done == nullptr) last_done = nullptr;
  return static_cast<std::size_t>(l - links);
}

}  // namespace weft::detail
