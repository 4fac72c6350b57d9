// A value of any type on its way from one greenlet to another. Small plain ones travel in place, others on the heap; moving one never
// runs code of the value's.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "weft/error.hpp"

namespace weft {

// A greenlet was used in a way that cannot work: of another fiber or thread, a cycle of parents, a value of another type.
class WEFT_API greenlet_error : public error {
public:
  using error::error;
  ~greenlet_error() override;
};

namespace detail {

struct greenlet_value_ops {
  const std::type_info* type;
  void (*destroy)(std::uint64_t word) noexcept;  // null: nothing to do
};

[[noreturn]] WEFT_API void throw_value_of(const std::type_info* has, const std::type_info& wanted);

}  // namespace detail

class greenlet_value {
  template <class T>
  static constexpr bool in_place =
      std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T> && sizeof(T) <= sizeof(std::uint64_t);

public:
  greenlet_value() noexcept = default;
  template <class T>
    requires(!std::is_same_v<std::decay_t<T>, greenlet_value>)
  greenlet_value(T&& v) {
    using kept = std::decay_t<T>;
    if constexpr (in_place<kept>) {
      const kept plain(std::forward<T>(v));
      std::uint64_t word = 0;  // made in a register, and stored whole
      std::memcpy(&word, &plain, sizeof plain);
      word_ = word;
    } else {
      auto* made = new kept(std::forward<T>(v));
      std::memcpy(&word_, &made, sizeof made);
    }
    ops_ = &operations<kept>;
  }
  greenlet_value(greenlet_value&& other) noexcept : greenlet_value(other.weft_give()) {}
  greenlet_value& operator=(greenlet_value&& other) noexcept {
    if (this != &other) {
      reset();
      *this = other.weft_give();
    }
    return *this;
  }
  ~greenlet_value() { reset(); }

  // Nothing was sent.
  bool empty() const noexcept { return ops_ == nullptr; }
  explicit operator bool() const noexcept { return ops_ != nullptr; }
  template <class T>
  bool has() const noexcept {
    return ops_ == &operations<T> || (ops_ != nullptr && *ops_->type == typeid(T));
  }
  // The value, which stays here. Throws greenlet_error when there is none, or one of another type.
  template <class T>
    requires(!in_place<T>)
  T& as() {
    expect<T>();
    T* at;
    std::memcpy(&at, &word_, sizeof at);
    return *at;
  }
  // Small plain ones are copied out.
  template <class T>
    requires in_place<T>
  T as() {
    expect<T>();
    T v;
    std::memcpy(static_cast<void*>(&v), &word_, sizeof v);
    return v;
  }
  // The value, moved out.
  template <class T>
  T take() {
    T v(static_cast<T&&>(as<T>()));
    reset();
    return v;
  }
  void reset() noexcept {
    if (ops_ != nullptr && ops_->destroy != nullptr) ops_->destroy(word_);
    ops_ = nullptr;
  }

  // Both halves, for the switch, which carries them in registers: two stores of 8 bytes and one load of 16 would wait for each other.
  struct weft_halves {
    const detail::greenlet_value_ops* ops;
    std::uint64_t word;
  };
  weft_halves weft_give() noexcept {
    weft_halves h{ops_, word_};
    ops_ = nullptr;
    asm("" : "+r"(h.ops), "+r"(h.word));
    return h;
  }
  greenlet_value(weft_halves h) noexcept : ops_(h.ops), word_(h.word) {}

private:
  template <class T>
  void expect() const {
    if (!has<T>()) [[unlikely]]
      detail::throw_value_of(ops_ != nullptr ? ops_->type : nullptr, typeid(T));
  }
  greenlet_value& operator=(weft_halves h) noexcept {
    ops_ = h.ops;
    word_ = h.word;
    return *this;
  }
  template <class T>
  static constexpr auto destroy_of() -> void (*)(std::uint64_t) noexcept {
    if constexpr (in_place<T>)
      return nullptr;
    else
      return [](std::uint64_t word) noexcept {
        T* at;
        std::memcpy(&at, &word, sizeof at);
        delete at;
      };
  }
  template <class T>
  static inline constexpr detail::greenlet_value_ops operations{&typeid(T), destroy_of<T>()};

  const detail::greenlet_value_ops* ops_ = nullptr;
  std::uint64_t word_ = 0;
};

}  // namespace weft
