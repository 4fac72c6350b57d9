// Groups and pools of fibers, after gevent.pool: many fibers that are waited for or killed together, and at most so many at once.
//
// Unlike in a task_group, a failure of one leaves the others alone: it is its handle's to tell. Both belong to the hub that made them;
// their end lets the fibers run on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cxxabi.h>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/detail/item_iterator.hpp"
#include "weft/detail/sync.hpp"
#include "weft/fiber.hpp"
#include "weft/gather.hpp"
#include "weft/queue.hpp"

namespace weft {

template <class V>
class mapped;

namespace detail {

// What spawn(fn, item) gives in the end: of a function that returns a task, what the task does.
template <class F, class Item>
using spawned_value = typename decltype(weft::spawn(std::declval<F&>(), std::declval<Item>()))::value_type;

// fn(item), run to its end.
template <class F, class Item>
decltype(auto) run_here(F& fn, Item&& item) {
  if constexpr (requires { typename std::invoke_result_t<F&, Item>::promise_type; })
    return await(fn(std::forward<Item>(item)));  // weft/task.hpp
  else
    return fn(std::forward<Item>(item));
}

}  // namespace detail

class WEFT_API group {
public:
  // Throws std::system_error when the thread's hub cannot be made.
  group() : group(0) {}
  group(const group&) = delete;
  group& operator=(const group&) = delete;
  ~group();

  // Starts fn(args...) in a fiber of the group. In a pool that is full it parks until there is room, FIFO among those who wait. Throws
  // wrong_hub, out_of_stacks, what copying throws; from a pool also cancelled, deadlock.
  template <class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto spawn(F&& fn, Args&&... args) {
    enter();
    return start(std::forward<F>(fn), std::forward<Args>(args)...);
  }
  // Takes a fiber in that was started elsewhere; of a pool it uses a place. Throws as spawn does.
  void add(const any_fiber& f);
  // Lets a fiber go. False when it was not in the group.
  bool discard(const any_fiber& f);

  // Fibers that are not over.
  std::size_t size() const noexcept { return members_.size(); }
  bool empty() const noexcept { return members_.empty(); }
  bool contains(const any_fiber& f) const noexcept;

  // Waits until no fiber is left, those that come meanwhile included; true, or false when `timeout` passed first. With `raise_error` the
  // first failure from here on is thrown as it happens. Parks. Throws cancelled, deadlock, wrong_hub.
  bool join(std::optional<std::chrono::nanoseconds> timeout = std::nullopt, bool raise_error = false);
  // Cancels all, and joins. Parks.
  bool kill(std::optional<std::chrono::nanoseconds> timeout = std::nullopt);

  // spawn() and get(). Parks.
  template <class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto apply(F&& fn, Args&&... args) {
    return spawn(std::forward<F>(fn), std::forward<Args>(args)...).get();
  }
  // fn(item) for every item, each in a fiber of the group; the results in the order of the items (void: nothing). The first failure is
  // thrown when its turn comes; then, and when the caller is cancelled, those that run still are cancelled and waited for. Parks.
  template <class F, std::ranges::input_range R>
  auto map(F fn, R&& range) {
    using value = detail::spawned_value<F, std::ranges::range_value_t<R>>;
    std::vector<fiber<value>> fibers;
    std::vector<detail::tuple_value<value>> results;
    try {
      for (auto&& item : range) fibers.push_back(spawn(fn, std::ranges::range_value_t<R>(std::forward<decltype(item)>(item))));
      for (auto& f : fibers) results.push_back(detail::value_of(f));
    } catch (...) {
      stop(fibers);
      throw;
    }
    if constexpr (!std::is_void_v<value>) return results;
  }
  // The same, one after the other, as a range that is walked once, while the group is alive: for (auto& r : pool.imap(fn, items)). Items
  // are taken, and fibers started, as the pool has room, and while fewer than `ahead` results (0: any number) wait to be asked for.
  // A failure is thrown when it is asked for; asking again gives the next. A range that is dropped early cancels what it has running.
  template <class F, std::ranges::input_range R>
  auto imap(F fn, R&& range, std::size_t ahead = 0) {
    return mapped<detail::spawned_value<F, std::ranges::range_value_t<R>>>(*this, std::move(fn), std::forward<R>(range), ahead, true);
  }
  // The same in the order in which they are done.
  template <class F, std::ranges::input_range R>
  auto imap_unordered(F fn, R&& range, std::size_t ahead = 0) {
    return mapped<detail::spawned_value<F, std::ranges::range_value_t<R>>>(*this, std::move(fn), std::forward<R>(range), ahead, false);
  }

protected:
  explicit group(std::size_t limit) : home_(&detail::current_hub()), limit_(limit) {}
  // A place for one who is about to spawn; false when there is none now.
  bool enter_now();
  void enter();
  void leave() noexcept;
  std::size_t room() const noexcept;

  detail::hub* home_;
  std::size_t limit_;  // 0: none
  detail::waiting_list line_;

private:
  friend struct detail::task_access;

  struct member : detail::wait_node {
    group* owner = nullptr;
    any_fiber fiber;
    std::list<member>::iterator self;
  };
  // spawn, with the place that enter() has given.
  template <class F, class... Args>
  auto start(F&& fn, Args&&... args) {
    try {
      std::list<member> room(1);
      auto f = weft::spawn(std::forward<F>(fn), std::forward<Args>(args)...);
      keep(room, f);
      return f;
    } catch (...) {
      leave();
      throw;
    }
  }
  void keep(std::list<member>& room, const any_fiber& f) noexcept;
  template <class Fibers>
  static void stop(const Fibers& fibers) {
    std::vector<any_fiber> all(fibers.begin(), fibers.end());
    stop_all(all);
  }
  static void stop_all(const std::vector<any_fiber>& fibers);
  template <class>
  friend class mapped;

  std::list<member> members_;
  std::size_t entering_ = 0;  // places given to those who are about to spawn
};

// A group of at most `size` fibers at once (gevent.pool.Pool).
class WEFT_API pool : public group {
public:
  // Throws std::invalid_argument for size 0.
  explicit pool(std::size_t size);

  std::size_t capacity() const noexcept { return limit_; }
  // Places that are free now; 0 while anybody waits for one.
  std::size_t free_count() const noexcept { return room(); }
  bool full() const noexcept { return room() == 0; }
  // Parks until there is a place, without taking it; for at most `timeout`, then false. Throws cancelled, deadlock, wrong_hub.
  bool wait_available(std::optional<std::chrono::nanoseconds> timeout = std::nullopt);
};

// What imap gives.
template <class V>
class mapped {
  using value = detail::tuple_value<V>;
  using outcome = settled<V>;

  struct state {
    explicit state(std::size_t ahead) : ordered(ahead), unordered(ahead) {}
    queue<fiber<V>> ordered;
    queue<outcome> unordered;
    std::size_t left = 0;  // of the unordered ones, started and not delivered
    bool fed = false;
    std::vector<any_fiber> running;
  };

  // One of the unordered ones, whatever becomes of it.
  struct share {
    explicit share(std::shared_ptr<state> s) : of(std::move(s)) { ++of->left; }
    share(share&&) noexcept = default;
    share& operator=(share&&) = delete;
    ~share() {
      if (of != nullptr && --of->left == 0 && of->fed) of->unordered.close();
    }
    std::shared_ptr<state> of;
  };

public:
  template <class F, class R>
  mapped(group& in, F fn, R&& range, std::size_t ahead, bool ordered) : s_(std::make_shared<state>(ahead)), ordered_(ordered) {
    feeder_ = spawn({.name = "imap"}, [s = s_, &in, fn = std::move(fn), items = held_range<R>(std::forward<R>(range)), ordered]() mutable {
      feed(*s, in, fn, items.get(), ordered, s);
    });
  }
  mapped(mapped&&) noexcept = default;
  mapped& operator=(mapped&&) = delete;
  ~mapped() {
    if (s_ == nullptr) return;
    std::vector<any_fiber> all = std::move(s_->running);
    all.push_back(feeder_);
    group::stop_all(all);
  }

  // The next result, empty after the last one. Parks. Throws what that item's call threw, or the range, cancelled, deadlock, wrong_hub.
  std::optional<value> next() {
    if (ordered_) {
      std::optional<fiber<V>> f;
      try {
        f = s_->ordered.get();
      } catch (const queue_closed&) {
        return finished();
      }
      return std::optional<value>(detail::value_of(*f));
    }
    if (s_->fed && s_->left == 0 && s_->unordered.empty()) return finished();
    std::optional<outcome> o;
    try {
      o.emplace(s_->unordered.get());
    } catch (const queue_closed&) {
      return finished();
    }
    if constexpr (std::is_void_v<V>)
      return o->value(), std::optional<value>(std::in_place);
    else
      return std::optional<value>(std::move(o->value()));
  }

  using iterator = detail::item_iterator<mapped, value>;
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

private:
  template <class R>
  struct held_range {
    explicit held_range(R&& r) : range(std::forward<R>(r)) {}
    R range;
    std::remove_reference_t<R>& get() { return range; }
  };
  template <class R>
  struct held_range<R&> {
    explicit held_range(R& r) : range(&r) {}
    R* range;
    R& get() { return *range; }
  };

  // What the range threw comes after the last result.
  std::optional<value> finished() {
    feeder_.get();
    return std::nullopt;
  }

  template <class F, class R>
  static void feed(state& s, group& in, F& fn, R& items, bool ordered, const std::shared_ptr<state>& shared) {
    struct closer {
      state& s;
      bool ordered;
      ~closer() {
        s.fed = true;
        if (ordered)
          s.ordered.close();
        else if (s.left == 0)
          s.unordered.close();
      }
    } at_end{s, ordered};
    for (auto&& item : items) {
      using item_type = std::remove_cvref_t<decltype(item)>;
      std::erase_if(s.running, [](const any_fiber& f) { return f.done(); });
      if (ordered) {
        auto f = in.spawn(fn, item_type(std::forward<decltype(item)>(item)));
        s.running.push_back(f);
        s.ordered.put(std::move(f));
      } else {
        s.running.push_back(in.spawn([fn, part = share(shared), item = item_type(std::forward<decltype(item)>(item))]() mutable {
          part.of->unordered.put(call(fn, item));
        }));
      }
    }
  }
  template <class F, class I>
  static outcome call(F& fn, I& item) {
    try {
      if constexpr (std::is_void_v<V>)
        return detail::run_here(fn, std::move(item)), outcome(std::in_place);
      else
        return outcome(std::in_place, detail::run_here(fn, std::move(item)));
    } catch (const cancelled&) {
      throw;
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      return outcome(std::current_exception());
    }
  }

  std::shared_ptr<state> s_;
  fiber<> feeder_;
  bool ordered_;
};

}  // namespace weft
