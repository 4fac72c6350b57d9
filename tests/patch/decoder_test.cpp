// The decoder: how control leaves an instruction, what may move, what is left in eax.
#include <doctest/doctest.h>

#include "code_buffer.hpp"

using namespace weft::patch;
using weft_test::code_buffer;
using weft_test::the_decoder;

namespace {

instruction decoded(const code_buffer& b, std::size_t offset = 0) {
  const auto i = the_decoder().decode(b.at(offset), b.at(64));
  REQUIRE(i.has_value());
  return *i;
}

eax_write eax(std::initializer_list<int> bytes) {
  const code_buffer b(bytes);
  return the_decoder().effect_on_eax(b.at(), b.at(64));
}

}  // namespace

TEST_CASE("the ways control leaves an instruction are told apart") {
  CHECK(decoded(code_buffer{0x0f, 0x05}).kind == flow::system_call);
  CHECK(decoded(code_buffer{0xc3}).kind == flow::ret);
  CHECK(decoded(code_buffer{0xe8, 0, 0, 0, 0}).kind == flow::call);
  CHECK(decoded(code_buffer{0xff, 0xd0}).kind == flow::call);
  CHECK(decoded(code_buffer{0xeb, 0x10}).kind == flow::jump);
  CHECK(decoded(code_buffer{0xff, 0xe0}).kind == flow::jump_indirect);
  CHECK(decoded(code_buffer{0x3e, 0xff, 0xe0}).kind == flow::jump_indirect);
  CHECK(decoded(code_buffer{0x74, 0x10}).kind == flow::branch);
  CHECK(decoded(code_buffer{0xe2, 0x10}).kind == flow::branch);
  CHECK(decoded(code_buffer{0x66, 0x0f, 0x1f, 0x44, 0, 0}).kind == flow::padding);
  CHECK(decoded(code_buffer{0xcc}).kind == flow::padding);
  CHECK(decoded(code_buffer{0xf3, 0x0f, 0x1e, 0xfa}).kind == flow::landing);
  CHECK(decoded(code_buffer{0xf4}).kind == flow::trap);
  CHECK(decoded(code_buffer{0x0f, 0x0b}).kind == flow::trap);
  CHECK(decoded(code_buffer{0x48, 0x89, 0xc7}).kind == flow::plain);
}

TEST_CASE("a relative branch knows its target, forwards and backwards") {
  const code_buffer b{0x74, 0x10, 0x0f, 0x85, 0xfc, 0xff, 0xff, 0xff};
  CHECK(decoded(b).target == b.at(0x12));
  CHECK(decoded(b, 2).target == b.at(4));
  CHECK(decoded(b, 2).condition == 5);
}

TEST_CASE("a rip-relative operand knows its address and where its distance stands") {
  const code_buffer b{0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0xc7, 0x05, 0x20, 0, 0, 0, 1, 0, 0, 0};
  const instruction load = decoded(b), store = decoded(b, 7);
  CHECK(load.rip_relative);
  CHECK(load.displacement_at == 3);
  CHECK(load.target == b.at(0x17));
  CHECK(store.displacement_at == 2);  // an immediate follows the distance
  CHECK(store.target == b.at(7 + 10 + 0x20));
  CHECK(load.movable);
  CHECK(store.movable);
}

TEST_CASE("what counts on its own address cannot move") {
  CHECK_FALSE(decoded(code_buffer{0xe8, 0, 0, 0, 0}).movable);        // call
  CHECK_FALSE(decoded(code_buffer{0xff, 0xd0}).movable);              // call *%rax
  CHECK_FALSE(decoded(code_buffer{0xe2, 0x10}).movable);              // loop: no 32-bit form
  CHECK_FALSE(decoded(code_buffer{0x0f, 0x05}).movable);              // syscall
  CHECK_FALSE(decoded(code_buffer{0xf3, 0x0f, 0x1e, 0xfa}).movable);  // endbr64
  CHECK(decoded(code_buffer{0x74, 0x10}).movable);
  CHECK(decoded(code_buffer{0xe9, 0x10, 0, 0, 0}).movable);
  CHECK(decoded(code_buffer{0xc3}).movable);
}

TEST_CASE("bytes that are no instruction, or cut off, do not decode") {
  const code_buffer bad{0x06}, cut{0x48, 0x8b, 0x05, 0x10, 0, 0, 0};
  CHECK_FALSE(the_decoder().decode(bad.at(), bad.at(16)).has_value());
  CHECK_FALSE(the_decoder().decode(cut.at(), cut.at(5)).has_value());
  CHECK_FALSE(the_decoder().decode(cut.at(), cut.at()).has_value());
}

TEST_CASE("constants in eax are seen in every form compilers write") {
  for (const eax_write w : {eax({0xb8, 0x27, 0, 0, 0}), eax({0x48, 0xc7, 0xc0, 0x27, 0, 0, 0})}) {
    CHECK(w.effect == eax_effect::constant);
    CHECK(w.value == 0x27);
  }
  CHECK(eax({0x31, 0xc0}).effect == eax_effect::constant);
  CHECK(eax({0x33, 0xc0}).value == 0);
  CHECK(eax({0x48, 0x31, 0xc0}).effect == eax_effect::constant);
}

TEST_CASE("what writes eax otherwise makes the number unknown") {
  CHECK(eax({0x89, 0xf8}).effect == eax_effect::copied);                    // mov %edi, %eax
  CHECK(eax({0xb0, 0x27}).effect == eax_effect::unknown);                    // mov $39, %al: the rest stays
  CHECK(eax({0x31, 0xf8}).effect == eax_effect::unknown);                    // xor %edi, %eax
  CHECK(eax({0x0f, 0xb1, 0x0f}).effect == eax_effect::unknown);              // cmpxchg writes it unnamed
  CHECK(eax({0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff}).effect == eax_effect::constant);  // -1: no number, which number_at sees to
  CHECK(eax({0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff}).value == -1);
  CHECK(eax({0x83, 0xc8, 0xff}).value == -1);  // or $-1, %eax
  CHECK(eax({0x0f, 0x05}).effect == eax_effect::unknown);
  CHECK(eax({0x89, 0xc7}).effect == eax_effect::untouched);                  // mov %eax, %edi
  CHECK(eax({0x48, 0x89, 0xfe}).effect == eax_effect::untouched);
}
