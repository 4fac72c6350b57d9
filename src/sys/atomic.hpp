// A word shared between threads. <atomic> would pull in half of the standard library, which does not compile without floating
// point registers under clang.
#pragma once

namespace weft::sys {

template <class T>
class atomic {
public:
  constexpr atomic() noexcept = default;
  constexpr explicit atomic(T v) noexcept : value_(v) {}
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  T load_relaxed() const noexcept { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }
  T load_acquire() const noexcept { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }
  T load_seq_cst() const noexcept { return __atomic_load_n(&value_, __ATOMIC_SEQ_CST); }
  void store_relaxed(T v) noexcept { __atomic_store_n(&value_, v, __ATOMIC_RELAXED); }
  void store_release(T v) noexcept { __atomic_store_n(&value_, v, __ATOMIC_RELEASE); }
  void store_seq_cst(T v) noexcept { __atomic_store_n(&value_, v, __ATOMIC_SEQ_CST); }
  T exchange(T v) noexcept { return __atomic_exchange_n(&value_, v, __ATOMIC_SEQ_CST); }
  // On failure `expected` holds what was found.
  bool compare_exchange(T& expected, T v) noexcept {
    return __atomic_compare_exchange_n(&value_, &expected, v, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
  }
  T add(T v) noexcept { return __atomic_add_fetch(&value_, v, __ATOMIC_SEQ_CST); }
  T sub(T v) noexcept { return __atomic_sub_fetch(&value_, v, __ATOMIC_SEQ_CST); }

private:
  T value_{};
};

}  // namespace weft::sys
