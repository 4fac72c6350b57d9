// Work handed to a hub by other OS threads and by signal handlers: a lock-free list that its hub empties.
#pragma once

#include "sys/atomic.hpp"
#include "weft/detail/runtime.hpp"

namespace weft::core {

// What is to be done on the hub. `run` is bounded Weft code (it starts fibers, wakes waiters); it may free its own node.
struct remote_node {
  remote_node* next = nullptr;
  void (*run)(detail::hub&, remote_node*) noexcept = nullptr;
};

// Turns a list around that was pushed onto by several, the newest first.
template <class Node>
Node* oldest_first(Node* newest) noexcept {
  Node* oldest = nullptr;
  while (newest != nullptr) {
    Node* next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  return oldest;
}

class remote_inbox {
public:
  // From any thread or signal handler. True when the inbox was empty: the caller wakes the hub.
  bool push(remote_node& n) noexcept {
    remote_node* head = head_.load_relaxed();
    do n.next = head;
    while (!head_.compare_exchange(head, &n));
    return head == nullptr;
  }
  bool empty() const noexcept { return head_.load_seq_cst() == nullptr; }
  bool quick_empty() const noexcept { return head_.load_relaxed() == nullptr; }
  // Takes everything, oldest first. For the hub only.
  remote_node* take() noexcept {
    return oldest_first(head_.exchange(nullptr));
  }

private:
  sys::atomic<remote_node*> head_;
};

}  // namespace weft::core
