// How a value travels to another process of the same program: as bytes. Specialise weft::wire for types of your own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

// What says where something lies: in another process something else lies there.
template <class T>
inline constexpr bool only_refers = std::is_pointer_v<T>;
template <class C, class Traits>
inline constexpr bool only_refers<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool only_refers<std::span<T, N>> = true;
template <class T>
inline constexpr bool only_refers<std::reference_wrapper<T>> = true;

}  // namespace detail
#define WEFT_NO_VIEWS_OVER_THERE "a pointer or view means nothing in another process: send what it refers to (std::string, ...)"

// put(out, value) appends; get(in) takes off the front, and throws std::out_of_range when there is too little. Both processes are the
// same program, so plain types go as they lie in memory. Pointers and views do not: they mean nothing over there.
template <class T>
struct wire {
  static_assert(!detail::only_refers<T>, WEFT_NO_VIEWS_OVER_THERE);
  static_assert(std::is_trivially_copyable_v<T> || detail::only_refers<T>, "specialise weft::wire<T> to send T to another process");
  static constexpr bool plain = true;
  static void put(std::string& out, const T& v) { out.append(reinterpret_cast<const char*>(std::addressof(v)), sizeof v); }
  static T get(std::string_view& in) {
    if (in.size() < sizeof(T)) throw std::out_of_range("a value from another process is cut short");
    union hold {
      hold() {}
      T v;
    } h;
    std::memcpy(static_cast<void*>(&h.v), in.data(), sizeof(T));
    in.remove_prefix(sizeof(T));
    return h.v;
  }
};

template <>
struct wire<std::string> {
  static void put(std::string& out, const std::string& v) {
    wire<std::uint64_t>::put(out, v.size());
    out += v;
  }
  static std::string get(std::string_view& in) {
    const auto size = wire<std::uint64_t>::get(in);
    if (in.size() < size) throw std::out_of_range("a string from another process is cut short");
    std::string v(in.substr(0, size));
    in.remove_prefix(size);
    return v;
  }
};

template <class T>
struct wire<std::vector<T>> {
  // Plain items go all at once.
  static constexpr bool at_once = !std::is_same_v<T, bool> && std::is_default_constructible_v<T> && requires { wire<T>::plain; };

  static void put(std::string& out, const std::vector<T>& v) {
    wire<std::uint64_t>::put(out, v.size());
    if constexpr (at_once)
      out.append(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(T));
    else
      for (const auto& item : v) wire<T>::put(out, item);
  }
  static std::vector<T> get(std::string_view& in) {
    std::vector<T> v;
    auto left = wire<std::uint64_t>::get(in);
    if constexpr (at_once) {
      if (in.size() / sizeof(T) < left) throw std::out_of_range("a vector from another process is cut short");
      if (left == 0) return v;
      v.resize(left);
      std::memcpy(static_cast<void*>(v.data()), in.data(), left * sizeof(T));
      in.remove_prefix(left * sizeof(T));
    } else {
      for (; left > 0; --left) v.push_back(wire<T>::get(in));
    }
    return v;
  }
};

// The other containers: lists, sets, maps.
template <class C>
  requires(!std::is_trivially_copyable_v<C>) && requires(C& c, typename C::value_type v) {
    c.insert(c.end(), std::move(v));
    c.size();
  }
struct wire<C> {
  using item = typename C::value_type;
  static void put(std::string& out, const C& c) {
    wire<std::uint64_t>::put(out, c.size());
    for (const item& i : c) wire<item>::put(out, i);
  }
  static C get(std::string_view& in) {
    C c;
    for (auto left = wire<std::uint64_t>::get(in); left > 0; --left) c.insert(c.end(), wire<item>::get(in));
    return c;
  }
};

template <class T>
struct wire<std::optional<T>> {
  static void put(std::string& out, const std::optional<T>& v) {
    wire<bool>::put(out, v.has_value());
    if (v) wire<T>::put(out, *v);
  }
  static std::optional<T> get(std::string_view& in) {
    if (!wire<bool>::get(in)) return std::nullopt;
    return wire<T>::get(in);
  }
};

template <class... T>
struct wire<std::tuple<T...>> {
  static void put(std::string& out, const std::tuple<T...>& v) {
    std::apply([&](const T&... item) { (wire<T>::put(out, item), ...); }, v);
  }
  // In braces: from left to right.
  static std::tuple<T...> get([[maybe_unused]] std::string_view& in) { return std::tuple<T...>{wire<T>::get(in)...}; }
};

// A map's pairs have a constant first.
template <class A, class B>
struct wire<std::pair<A, B>> {
  using first = wire<std::remove_const_t<A>>;
  static void put(std::string& out, const std::pair<A, B>& v) {
    first::put(out, v.first);
    wire<B>::put(out, v.second);
  }
  static std::pair<A, B> get(std::string_view& in) { return std::pair<A, B>{first::get(in), wire<B>::get(in)}; }
};

}  // namespace weft
