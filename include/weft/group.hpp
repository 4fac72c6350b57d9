// Groups and pools of fibers, after gevent.pool: many fibers that are waited for or killed together, and at most so many at once.
//
// Unlike in a task_group, a failure of one leaves the others alone: it is its handle's to tell. Both belong to the hub that made them;
// their end lets the fibers run on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cxxabi.h>
#include <deque>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/detail/item_iterator.hpp"
#include "weft/detail/run_here.hpp"
#include "weft/detail/sync.hpp"
#include "weft/fiber.hpp"
#include "weft/gather.hpp"
#include "weft/queue.hpp"

namespace weft {

template <class V>
class mapped;

namespace detail {

template <class V>
struct mapping;

// What spawn(fn, item) gives in the end: of a function that returns a task, what the task does.
template <class F, class Item>
using spawned_value = typename decltype(weft::spawn(std::declval<F&>(), std::declval<Item>()))::value_type;

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
  // A task: pool.spawn(fetch(name)). What it refers to must live until it is over.
  template <detail::begun_as_it_is A>
  auto spawn(A&& what) {
    enter();
    return start(std::forward<A>(what));
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
  // A failure is thrown when it is asked for; asking again gives the next. A range that is dropped early cancels what it has running,
  // and waits for it, as its close() does.
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
  template <class>
  friend struct detail::mapping;

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

namespace detail {

// The value of a fiber that is over.
template <class V>
tuple_value<V> taken_of(const fiber<V>& f) {
  if constexpr (std::is_void_v<V>)
    return f.weft_take(), std::monostate{};
  else
    return f.weft_take();
}
template <class V>
tuple_value<V> taken_of(settled<V>&& o) {
  if constexpr (std::is_void_v<V>)
    return o.value(), std::monostate{};
  else
    return std::move(o.value());
}

// A range that is given as a temporary is kept, one that has a name must live.
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

// One call of imap: the fiber that takes the items and has them worked at, and the results. Shared by all of them, and by who asks.
template <class V>
struct mapping {
  using outcome = settled<V>;

  mapping(std::size_t ahead, bool in_order_) : in_order(in_order_), ordered(ahead), unordered(ahead) {}

  const bool in_order;
  queue<fiber<V>> ordered;
  std::deque<fiber<V>> returned;  // of those: whose result somebody was cut off waiting for; they are the next
  queue<outcome> unordered;
  std::size_t left = 0;           // of the unordered ones, started and not delivered
  bool fed = false;
  bool stopped = false;
  fiber<> feeder;
  std::vector<any_fiber> running;

  // Nothing will come.
  bool drained() const noexcept { return stopped || (!in_order && fed && left == 0 && unordered.empty()); }
  // All that may run still, to be cancelled and waited for. From here on nothing touches the group, which may go now.
  std::vector<any_fiber> stop() {
    stopped = true;
    if (in_line != nullptr && in_line->result == wake::ready) in->leave();  // the feeder has been given a place, which it will not use
    returned.clear();
    std::vector<any_fiber> all = std::move(running);
    all.push_back(feeder);
    return all;
  }

  // One of the ordered ones that was returned, if there is one.
  std::optional<fiber<V>> again() {
    if (returned.empty()) return std::nullopt;
    std::optional<fiber<V>> f(std::move(returned.front()));
    returned.pop_front();
    return f;
  }

  // One of the unordered ones, whatever becomes of it.
  struct share {
    explicit share(std::shared_ptr<mapping> s) : of(std::move(s)) { ++of->left; }
    share(share&&) noexcept = default;
    share& operator=(share&&) = delete;
    ~share() {
      if (of != nullptr && --of->left == 0 && of->fed) of->unordered.close();
    }
    std::shared_ptr<mapping> of;
  };

  // Begins. An unordered item's call is started by Deliver::start(start, fn, share, item), with the group's start.
  template <class Deliver, class F, class R>
  static std::shared_ptr<mapping> begin(group& in, F fn, R&& range, std::size_t ahead, bool in_order) {
    auto m = std::make_shared<mapping>(ahead, in_order);
    m->in = &in;
    m->feeder = spawn({.name = "imap"}, [m, fn = std::move(fn), items = held_range<R>(std::forward<R>(range))]() mutable {
      m->template feed<Deliver>(fn, items.get(), m);
    });
    return m;
  }

private:
  group* in = nullptr;
  waiter* in_line = nullptr;  // the feeder's, while it waits for a place in the group

  // A place for one more; false when all has been stopped.
  bool enter() {
    if (stopped) return false;
    if (in->enter_now()) return true;
    waiter w("pool.spawn");
    in->line_.push_back(w);
    in_line = &w;
    struct leaver {
      mapping& m;
      ~leaver() { m.in_line = nullptr; }
    } at_end{*this};
    wait_on(*in->home_, w);
    return !stopped;
  }

  template <class Deliver, class F, class R>
  void feed(F& fn, R& items, const std::shared_ptr<mapping>& me) {
    struct closer {
      mapping& m;
      ~closer() {
        m.fed = true;
        if (m.in_order)
          m.ordered.close();
        else if (m.left == 0)
          m.unordered.close();
      }
    } at_end{*this};
    for (auto&& item : items) {
      using item_type = std::remove_cvref_t<decltype(item)>;
      std::erase_if(running, [](const any_fiber& f) { return f.done(); });
      item_type own(std::forward<decltype(item)>(item));
      if (!enter()) return;
      if (in_order) {
        auto f = in->start(fn, std::move(own));
        running.push_back(f);
        ordered.put(std::move(f));
        if (stopped) return;
      } else {
        const auto start = [&](auto&&... with) { return in->start(std::forward<decltype(with)>(with)...); };
        running.push_back(Deliver::start(start, fn, share(me), std::move(own)));
      }
    }
  }
};

struct deliver_by_fiber {
  template <class Start, class F, class Share, class I>
  static any_fiber start(const Start& start, F& fn, Share part, I item) {
    return start([fn, part = std::move(part), item = std::move(item)]() mutable { part.of->unordered.put(call<Share>(fn, item)); });
  }

private:
  template <class Share, class F, class I>
  static auto call(F& fn, I& item) {
    using outcome = typename std::remove_reference_t<decltype(*std::declval<Share&>().of)>::outcome;
    try {
      if constexpr (std::is_void_v<typename outcome::value_type>)
        return run_here(fn, std::move(item)), outcome(std::in_place);
      else
        return outcome(std::in_place, run_here(fn, std::move(item)));
    } catch (const cancelled&) {
      throw;
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      return outcome(std::current_exception());
    }
  }
};

}  // namespace detail

// What imap gives.
template <class V>
class mapped {
  using value = detail::tuple_value<V>;

public:
  template <class F, class R>
  mapped(group& in, F fn, R&& range, std::size_t ahead, bool ordered)
      : m_(detail::mapping<V>::template begin<detail::deliver_by_fiber>(in, std::move(fn), std::forward<R>(range), ahead, ordered)) {}
  mapped(mapped&&) noexcept = default;
  mapped& operator=(mapped&&) = delete;
  // close(): parks, and cancellation of the fiber waits.
  ~mapped() {
    if (m_ != nullptr) close();
  }

  // The next result, empty after the last one. Parks. Throws what that item's call threw, or the range, cancelled, deadlock, wrong_hub. A
  // result that somebody was cancelled waiting for is the next. Empty for those who wait when it is closed.
  std::optional<value> next() {
    detail::mapping<V>& m = *m_;
    if (m.stopped) return std::nullopt;
    if (m.in_order) {
      std::optional<fiber<V>> f = m.again();
      if (!f) f = m.ordered.next();
      if (!f) f = m.again();
      if (f && !m.stopped) {
        try {
          f->join();
        } catch (...) {
          if (!m.stopped) m.returned.push_front(std::move(*f));
          throw;
        }
      }
      if (m.stopped) return std::nullopt;
      if (f) return detail::taken_of(*f);
    } else if (!m.drained()) {
      auto o = m.unordered.next();
      if (m.stopped) return std::nullopt;
      if (o) return detail::taken_of(std::move(*o));
    }
    m.feeder.get();  // what the range threw comes after the last result
    return std::nullopt;
  }
  // Cancels what runs still and waits for it, whatever happens to the caller; takes no more items. After that there is no next. Parks.
  void close() {
    if (!m_->stopped) group::stop_all(m_->stop());
  }

  using iterator = detail::item_iterator<mapped, value>;
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

private:
  std::shared_ptr<detail::mapping<V>> m_;
};

}  // namespace weft
