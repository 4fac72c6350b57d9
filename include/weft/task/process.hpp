// co_await of child processes, and of functions in other processes. They work in a fiber meanwhile: what is cancelled is put away as
// weft/process.hpp and weft/process_pool.hpp say. Objects must live until the co_await is over.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/process.hpp"
#include "weft/process_pool.hpp"
#include "weft/task/in_fiber.hpp"

namespace weft::async {

// How it ended.
inline auto wait(process& p) {
  return in_fiber([&p] { return p.wait(); });
}
// Same, for at most `d`; empty when it still runs.
template <class Rep, class Period>
auto wait_for(process& p, std::chrono::duration<Rep, Period> d) {
  return in_fiber([&p, d] { return p.wait_for(d); });
}
inline auto communicate(process& p, std::string input = std::string()) {
  return in_fiber([&p, input = std::move(input)] { return p.communicate(input); });
}
template <class Rep, class Period>
auto communicate_for(process& p, std::chrono::duration<Rep, Period> d, std::string input = std::string()) {
  return in_fiber([&p, d, input = std::move(input)] { return p.communicate_for(d, input); });
}
inline auto run_process(std::vector<std::string> argv, std::string input, process_options options) {
  return in_fiber([argv = std::move(argv), input = std::move(input), options = std::move(options)] {
    return weft::run_process(argv, input, options);
  });
}

// Not by a default argument: g++ 12 frees such a one twice in a coroutine.
inline auto run_process(std::vector<std::string> argv, std::string input = std::string()) {
  return async::run_process(std::move(argv), std::move(input), process_options{.in = redirect::pipe(), .out = redirect::pipe()});
}

// fn(args...) in a fork of this process, or in a worker of a pool: its result.
template <class F, class... Args>
auto run_in_process(F&& fn, Args&&... args) {
  return in_fiber([fn = std::decay_t<F>(std::forward<F>(fn)),
                   all = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)]() mutable {
    return std::apply([&](auto&... a) { return weft::run_in_process(fn, a...); }, all);
  });
}
template <class F, class... Args>
auto apply(process_pool& pool, F&& fn, Args&&... args) {
  return in_fiber([&pool, fn = std::decay_t<F>(std::forward<F>(fn)),
                   all = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)]() mutable {
    return std::apply([&](auto&... a) { return pool.apply(fn, std::move(a)...); }, all);
  });
}
template <class F, class R>
auto map(process_pool& pool, F fn, R&& range) {
  return in_fiber([&pool, fn, items = std::decay_t<R>(std::forward<R>(range))] { return pool.map(fn, items); });
}

}  // namespace weft::async
