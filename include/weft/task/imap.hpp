// Results one by one for coroutines: the awaited forms of group::imap and imap_unordered.
//
//   auto pages = async::imap(pool, fetch, names);
//   while (auto page = co_await pages.next()) use(*page);
#pragma once

#include <cstddef>
#include <cxxabi.h>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/group.hpp"
#include "weft/task.hpp"
#include "weft/task/queue.hpp"
#include "weft/task/sync.hpp"
#include "weft/task/wait.hpp"

namespace weft {

namespace detail {

struct deliver_by_task {
  template <class Start, class F, class Share, class I>
  static any_fiber start(const Start& start, F& fn, Share part, I item) {
    return start(run<F, Share, I>, fn, std::move(part), std::move(item));
  }

private:
  template <class F, class Share, class I>
  static task<> run(F fn, Share part, I item) {
    using outcome = typename std::remove_reference_t<decltype(*part.of)>::outcome;
    std::optional<outcome> o;
    try {
      if constexpr (std::is_void_v<typename outcome::value_type>) {
        co_await fn(std::move(item));
        o.emplace(std::in_place);
      } else {
        o.emplace(std::in_place, co_await fn(std::move(item)));
      }
    } catch (const cancelled&) {
      throw;
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      o.emplace(std::current_exception());
    }
    co_await async::put(part.of->unordered, std::move(*o));
  }
};

}  // namespace detail

namespace async {

// What imap gives. Dropped early it cancels what runs still, and does not wait for it, since a destructor in a coroutine cannot: calls that
// have begun come to their end after it, each at its next wait. Where they refer to what goes with the object: co_await close().
template <class V>
class mapped : public detail::asked_by_await {
  using value = detail::tuple_value<V>;

public:
  explicit mapped(std::shared_ptr<detail::mapping<V>> m) noexcept : m_(std::move(m)) {}
  mapped(mapped&&) noexcept = default;
  mapped& operator=(mapped&&) = delete;
  ~mapped() {
    if (m_ == nullptr || m_->stopped) return;
    for (const any_fiber& f : m_->stop()) f.cancel();
  }

  // The next result, empty after the last one. Throws what that item's call threw, and goes on behind it when asked again; after the last
  // one what the range threw; cancelled. A result that somebody was cancelled waiting for is the next. Empty for those who wait when it is
  // closed.
  task<std::optional<value>> next() {
    const std::shared_ptr<detail::mapping<V>> m = m_;
    if (m->stopped) co_return std::nullopt;
    if (m->in_order) {
      std::optional<fiber<V>> f = m->again();
      if (!f) f = co_await async::next(m->ordered);
      if (!f) f = m->again();
      if (f && !m->stopped) {
        try {
          co_await async::join(*f);
        } catch (...) {
          if (!m->stopped) m->returned.push_front(std::move(*f));
          throw;
        }
      }
      if (m->stopped) co_return std::nullopt;
      if (f) co_return detail::taken_of(*f);
    } else if (!m->drained()) {
      auto o = co_await async::next(m->unordered);
      if (m->stopped) co_return std::nullopt;
      if (o) co_return detail::taken_of(std::move(*o));
    }
    co_await m->feeder;
    co_return std::nullopt;
  }
  // Cancels what runs still and waits for it, whatever happens to the caller; takes no more items. After that there is no next. Throws
  // nothing.
  task<> close() {
    const std::shared_ptr<detail::mapping<V>> m = m_;
    if (m->stopped) co_return;
    const std::vector<any_fiber> all = m->stop();
    const std::vector<detail::waitable_ref> running = detail::refs_of(all);
    co_await detail::stop_all(running);
    for (const any_fiber& f : all) static_cast<void>(f.exception());  // answered by stopping them
  }

private:
  std::shared_ptr<detail::mapping<V>> m_;
};

// fn(item), a function or a coroutine, for every item of the range, each in a fiber or task of the group: an object to ask for one result
// after the other, in the order of the items. Items are taken as the group has room, and while fewer than `ahead` results (0: any number)
// wait to be asked for. The group must live as long as the object, and the range, too, if it has a name; the range may park.
template <class F, std::ranges::input_range R>
auto imap(group& g, F fn, R&& range, std::size_t ahead = 0) {
  using V = detail::spawned_value<F, std::ranges::range_value_t<R>>;
  return mapped<V>(detail::mapping<V>::template begin<detail::deliver_by_fiber>(g, std::move(fn), std::forward<R>(range), ahead, true));
}
// The same in the order in which they are done.
template <class F, std::ranges::input_range R>
auto imap_unordered(group& g, F fn, R&& range, std::size_t ahead = 0) {
  using item = std::ranges::range_value_t<R>;
  using V = detail::spawned_value<F, item>;
  using deliver = std::conditional_t<detail::returns_task<F&, item>, detail::deliver_by_task, detail::deliver_by_fiber>;
  return mapped<V>(detail::mapping<V>::template begin<deliver>(g, std::move(fn), std::forward<R>(range), ahead, false));
}

}  // namespace async
}  // namespace weft
