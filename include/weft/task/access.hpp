// How the awaited forms of the sync primitives' waits reach what they wait in. Each primitive names this one struct its friend.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "weft/cancel.hpp"
#include "weft/channel.hpp"
#include "weft/condition_variable.hpp"
#include "weft/file.hpp"
#include "weft/group.hpp"
#include "weft/latch.hpp"
#include "weft/mutex.hpp"
#include "weft/queue.hpp"
#include "weft/semaphore.hpp"
#include "weft/shared_mutex.hpp"
#include "weft/signal.hpp"
#include "weft/task_group.hpp"
#include "weft/thread_pool.hpp"

namespace weft::detail {

struct task_access {
  using entered_scope = cancel_scope::entered;

  static hub& home(const semaphore& s) { return on_home(s.home_, "semaphore"); }
  static bool take(semaphore& s) noexcept {
    if (s.permits_ == 0) return false;
    --s.permits_;
    return true;
  }
  static wait_list& waiters(semaphore& s) noexcept { return s.waiters_; }
  static semaphore& unbounded(bounded_semaphore& s) noexcept { return s; }

  static hub& home(const mutex& m) { return on_home(m.home_, "mutex"); }
  static fiber_base*& owner(mutex& m) noexcept { return m.owner_; }
  static wait_list& waiters(mutex& m) noexcept { return m.waiters_; }
  static mutex& inner(recursive_mutex& m) noexcept { return m.m_; }
  static void first_lock(recursive_mutex& m) noexcept { m.depth_ = 1; }

  using shared_place = shared_mutex::place;
  static bool acquire_now(shared_mutex& m, bool write) { return m.acquire_now(write); }
  static wait_list& waiters(shared_mutex& m) noexcept { return m.waiters_; }

  using barrier_place = barrier::place;
  static bool come(barrier& b) { return b.come(); }
  static bool over(hub& h, wake why, const char* reason) { return barrier::over(h, why, reason); }
  static wait_list& waiters(barrier& b) noexcept { return b.waiters_; }

  // A place in a pool for one who is about to spawn.
  static bool enter_now(group& g) { return g.enter_now(); }
  static wait_list& line(group& g) noexcept { return g.line_; }
  static bool has_room(const group& g) noexcept { return g.room() != 0; }
  static void leave(group& g) noexcept { g.leave(); }
  static hub& home(const group& g) { return on_home(g.home_, "group"); }
  template <class F, class... Args>
  static auto start(group& g, F&& fn, Args&&... args) {
    return g.start(std::forward<F>(fn), std::forward<Args>(args)...);
  }
  // Members, oldest first; a handle each.
  static std::vector<any_fiber> members(const group& g) {
    std::vector<any_fiber> all;
    for (const auto& m : g.members_) all.push_back(m.fiber);
    return all;
  }

  template <class F, class... Args>
  static auto start(thread_pool& p, F&& fn, Args&&... args) {
    return p.start(std::forward<F>(fn), std::forward<Args>(args)...);
  }

  static int take_now(signal_receiver& r) { return r.take_now(); }
  static wait_list& line(signal_receiver& r) noexcept { return r.line(); }

  static std::size_t done(const file& f, long result, const char* call) { return f.done(result, call); }

  template <class T>
  static hub& home(const channel<T>& c) {
    return on_home(c.home_, "channel");
  }
  template <class T>
  static bool send_now(channel<T>& c, T& item) {
    return c.send_now(std::move(item));
  }
  template <class T>
  static bool receive_now(channel<T>& c, std::optional<T>& into) {
    return c.receive_now(into);
  }
  template <class T>
  static wait_list& senders(channel<T>& c) noexcept {
    return c.senders_;
  }
  template <class T>
  static wait_list& receivers(channel<T>& c) noexcept {
    return c.receivers_;
  }

  static hub& home(const condition_variable& c) { return on_home(c.home_, "condition_variable"); }
  static wait_list& waiters(condition_variable& c) noexcept { return c.waiters_; }

  template <class Q>
  struct waiters_of {
    using getter = typename Q::getter;
    using putter = typename Q::putter;
  };
  template <class T, class Items>
  static hub& home(const basic_queue<T, Items>& q) {
    return on_home(q.home_, "queue");
  }
  template <class T, class Items>
  static bool put_now(basic_queue<T, Items>& q, T&& item) {
    return q.put_now(std::move(item));
  }
  template <class T, class Items>
  static bool take_now(basic_queue<T, Items>& q, std::optional<T>& into) {
    return q.take_now(into);
  }
  template <class T, class Items>
  static wait_list& getters(basic_queue<T, Items>& q) noexcept {
    return q.getters_;
  }
  template <class T, class Items>
  static wait_list& putters(basic_queue<T, Items>& q) noexcept {
    return q.putters_;
  }
  // Done when nothing is unfinished.
  template <class T, class Items>
  static completion_view all_done(basic_queue<T, Items>& q) noexcept {
    return {q.home_, q.unfinished_ == 0 ? nullptr : &q.joiners_, nullptr};
  }

  static scope& inside(cancel_scope& s) noexcept { return s.s_; }
  static nanos& deadline(cancel_scope& s) noexcept { return s.deadline_; }

  static completion_view all_over(task_group& g) noexcept {
    return {g.home_, g.running_.empty() ? nullptr : &g.idle_, nullptr};
  }
  // The scope of a group's body, which a failing child cancels.
  static cancel_scope*& body(task_group& g) noexcept { return g.body_; }
  static void finish(task_group& g, std::exception_ptr failure) { g.finish(std::move(failure)); }
  template <class S, class F, class... Args>
  static any_fiber begin(task_group& g, const std::shared_ptr<S>& s, F&& fn, Args&&... args) {
    return g.begin(s, std::forward<F>(fn), std::forward<Args>(args)...);
  }
  [[noreturn]] static void throw_not_started(const any_fiber& child, const std::exception_ptr& cut_off) {
    task_group::throw_not_started(child, cut_off);
  }
};

}  // namespace weft::detail
