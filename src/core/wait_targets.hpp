// What parked fibers of a hub wait for beyond the reason: which lock, and who holds it, or whose end. For reports: looks at every fiber.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/hub_state.hpp"

namespace weft::core {

struct wait_target {
  const void* lock = nullptr;         // null: none that is known
  const fiber_base* fiber = nullptr;  // holds the lock, or is the one whose end is waited for; null: not known
  std::size_t readers = 0;            // of a lock that no writer holds
};

// The lock whose waiters stand in the list with that head, by the reason that they give. Set by src/sync.
extern wait_target (*lock_around)(const char* reason, const detail::list_link* head, const hub& h);

// As of now: nobody may park or go on while it is used.
class wait_targets {
public:
  explicit wait_targets(hub& h);

  wait_target of(const fiber_base* f) const;
  // ", lock 0x7f10 held by fiber 0x7f20 "name"", ", the end of fiber 0x7f20"; empty when nothing is known.
  std::string words(const fiber_base* f) const;
  // Those who wait for one another in a circle, a paragraph each, as `weft ps` tells it; empty when there is none.
  std::string circles() const;

private:
  const detail::list_link* head_of(const detail::list_link* waiter) const;

  hub& hub_;
  std::vector<const fiber_base*> all_;
  std::unordered_map<const detail::list_link*, const fiber_base*> parked_;  // by waiter
  std::unordered_map<const detail::list_link*, const fiber_base*> joins_;   // by waiter: whose end
  mutable std::unordered_map<const detail::list_link*, const detail::list_link*> heads_;  // known so far
};

// "fiber 0x7f20 "name"", "task 0x7f20".
std::string called(const fiber_base* f);

}  // namespace weft::core
