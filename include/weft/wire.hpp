// How a value travels to another process of the same program: as bytes. Specialise weft::wire for types of your own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

// put(out, value) appends; get(in) takes off the front, and throws std::out_of_range when there is too little. Both processes are the
// same program, so plain types go as they lie in memory. Pointers do not: they mean nothing over there.
template <class T>
struct wire {
  static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>, "specialise weft::wire<T> to send T to another process");
  static void put(std::string& out, const T& v) { out.append(reinterpret_cast<const char*>(&v), sizeof v); }
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
  static void put(std::string& out, const std::vector<T>& v) {
    wire<std::uint64_t>::put(out, v.size());
    for (const auto& item : v) wire<T>::put(out, item);
  }
  static std::vector<T> get(std::string_view& in) {
    std::vector<T> v;
    for (auto left = wire<std::uint64_t>::get(in); left > 0; --left) v.push_back(wire<T>::get(in));
    return v;
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

template <class A, class B>
struct wire<std::pair<A, B>> {
  static void put(std::string& out, const std::pair<A, B>& v) {
    wire<A>::put(out, v.first);
    wire<B>::put(out, v.second);
  }
  static std::pair<A, B> get(std::string_view& in) { return std::pair<A, B>{wire<A>::get(in), wire<B>::get(in)}; }
};

}  // namespace weft
