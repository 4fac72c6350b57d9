// Redirected code, executed: what runs, with which registers, and where it goes on.
#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "code_buffer.hpp"

using namespace weft::patch;
using weft_test::code_buffer;

namespace {

#define RUNTIME_PATH __attribute__((target("general-regs-only")))

long calls;
call_frame seen;

RUNTIME_PATH verdict answer_1234(call_frame* f, long) {
  ++calls;
  seen = *f;
  return {1234, 0};
}
RUNTIME_PATH verdict look_and_pass(call_frame* f, long) {
  ++calls;
  seen = *f;
  return {-1, 1};
}
RUNTIME_PATH verdict aligned(call_frame*, long) {
  return {static_cast<long>(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) % 16), 0};
}

struct with_handler {
  long nr;
  with_handler(long n, handler h) : nr(n) {
    calls = 0;
    set_handler(n, h);
  }
  ~with_handler() { set_handler(nr, nullptr); }
};

// mov $SYS_getppid, %eax; syscall; mov %rax, %rdx; mov %rdx, %rax; ret
const std::initializer_list<int> getppid_code{0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0x48, 0x89, 0xc2, 0x48, 0x89, 0xd0, 0xc3};

}  // namespace

TEST_CASE("without a handler the original instruction runs") {
  code_buffer b(getppid_code);
  REQUIRE(b.redirect() == 1);
  CHECK(b.byte(5) == 0xe9);
  CHECK(b.function<long()>()() == getppid());
}

TEST_CASE("a handler answers instead of the kernel, and can be taken back") {
  code_buffer b(getppid_code);
  REQUIRE(b.redirect() == 1);
  {
    const with_handler h(SYS_getppid, answer_1234);
    CHECK(b.function<long()>()() == 1234);
    CHECK(calls == 1);
    CHECK(seen.nr == SYS_getppid);
    CHECK(seen.site == reinterpret_cast<void*>(b.at(7)));
  }
  CHECK(b.function<long()>()() == getppid());
}

TEST_CASE("a handler that passes has looked, and the original instruction runs") {
  code_buffer b(getppid_code);
  REQUIRE(b.redirect() == 1);
  const with_handler h(SYS_getppid, look_and_pass);
  CHECK(b.function<long()>()() == getppid());
  CHECK(calls == 1);
}

TEST_CASE("a handler gets six words in the order of the kernel, on an aligned stack") {
  // mov %rcx, %r10; mov $SYS_getppid, %eax; syscall; mov %rax, %rdx; ret
  code_buffer b{0x49, 0x89, 0xca, 0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0x48, 0x89, 0xc2, 0xc3};
  REQUIRE(b.redirect() == 1);
  {
    const with_handler h(SYS_getppid, answer_1234);
    b.function<long(long, long, long, long, long, long)>()(1, 2, 3, 4, 5, 6);
    CHECK(seen.rdi == 1);
    CHECK(seen.rsi == 2);
    CHECK(seen.rdx == 3);
    CHECK(seen.r10 == 4);
    CHECK(seen.r8 == 5);
    CHECK(seen.r9 == 6);
  }
  const with_handler h(SYS_getppid, aligned);
  CHECK(b.function<long()>()() == 0);
}

TEST_CASE("a number known only at run time goes through the table") {
  // mov %edi, %eax; syscall; mov %rax, %rdx; ret
  code_buffer b{0x89, 0xf8, 0x0f, 0x05, 0x48, 0x89, 0xc2, 0xc3};
  REQUIRE(b.scan().at(0).nr == -1);
  REQUIRE(b.redirect() == 1);
  auto* const call = b.function<long(long)>();
  CHECK(call(SYS_getpid) == getpid());
  const with_handler h(SYS_getppid, answer_1234);
  CHECK(call(SYS_getppid) == 1234);
  CHECK(call(SYS_getpid) == getpid());
  CHECK(call(handler_count) == -ENOSYS);
  CHECK(call(0x7fffffff) == -ENOSYS);
  CHECK(call(-1) == -ENOSYS);
}

TEST_CASE("a handler table out of reach is found through the region's header") {
  code_buffer b(getppid_code);
  void* far = MAP_FAILED;  // where exactly does not matter, and a sanitizer's run-time claims much of the address space
  for (const std::uintptr_t hint : {0x100000000ul, 0x7fff8000000ul, 0x200000000000ul, 0x500000000000ul, 0x600000000000ul}) {
    far = mmap(reinterpret_cast<void*>(hint), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(far != MAP_FAILED);
    if (!reaches(b.at(), reinterpret_cast<std::uintptr_t>(far))) break;
    munmap(far, 4096);
  }
  REQUIRE_FALSE(reaches(b.at(), reinterpret_cast<std::uintptr_t>(far)));
  b.handlers_at = reinterpret_cast<std::uintptr_t>(far);
  REQUIRE(b.redirect() == 1);
  CHECK(b.function<long()>()() == getppid());
  static_cast<handler*>(far)[SYS_getppid] = answer_1234;
  CHECK(b.function<long()>()() == 1234);
  munmap(far, 4096);
}

TEST_CASE("a displaced load relative to rip reads the same word") {
  // mov $39, %eax; syscall; mov value(%rip), %rax; ret; value
  code_buffer b{0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0x48, 0x8b, 0x05, 0x02, 0, 0, 0,
                0xc3, 0xcc, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
  REQUIRE(b.redirect() == 1);
  CHECK(b.function<long()>()() == 0x1122334455667788);
}

TEST_CASE("a displaced short branch goes where it went, taken and not taken") {
  // mov $39, %eax; test %edi, %edi; syscall; js 1f; nop; mov $1, %eax; ret; 1: mov $2, %eax; ret
  // The kernel keeps the flags across a call, so the branch may look at what the test left.
  code_buffer b{0xb8, SYS_getpid, 0, 0, 0, 0x85, 0xff, 0x0f, 0x05, 0x78, 7, 0x90, 0xb8, 1, 0, 0, 0, 0xc3, 0xb8, 2, 0, 0, 0, 0xc3};
  REQUIRE(b.scan().at(0).after == 3);
  REQUIRE(b.redirect() == 1);
  CHECK(b.function<long(int)>()(5) == 1);
  CHECK(b.function<long(int)>()(-5) == 2);
}

TEST_CASE("preceding instructions are displaced when something jumps behind the syscall") {
  // mov $2, %ecx... : counts down through a branch to the byte behind the site
  // 0: mov $SYS_getppid, %eax; 5: syscall; 7: dec %edi; 9: jns 7; b: ret
  code_buffer b{0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xff, 0xcf, 0x79, 0xfc, 0xc3};
  REQUIRE(b.scan().at(0).before == 5);
  REQUIRE(b.redirect() == 1);
  CHECK(b.byte(0) == 0xe9);
  CHECK(b.byte(7) == 0xff);
  CHECK(b.function<long(long)>()(3) == getppid());
  const with_handler h(SYS_getppid, answer_1234);
  CHECK(b.function<long(long)>()(3) == 1234);
}

TEST_CASE("instruction pointers inside a window have a place to go") {
  code_buffer b(getppid_code);
  REQUIRE(b.redirect() == 1);
  REQUIRE(b.moved.size() == 1);
  CHECK(b.moved[0].from == b.at(7));  // a thread that comes back from the kernel
  CHECK(b.moved[0].to == b.trampolines[0].done);
  code_buffer c{0xb8, SYS_getppid, 0, 0, 0, 0x0f, 0x05, 0xff, 0xcf, 0x79, 0xfc, 0xc3};
  REQUIRE(c.redirect() == 1);
  REQUIRE(c.moved.size() == 1);
  CHECK(c.moved[0].from == c.at(5));  // about to enter the kernel, number in eax already
  CHECK(c.moved[0].to == c.trampolines[0].dispatch);
}

TEST_CASE("the red zone, all argument registers and all vector registers survive") {
  code_buffer b{0x0f, 0x05, 0x48, 0x89, 0xc3, 0xc3};  // syscall; mov %rax, %rbx; ret
  REQUIRE(b.redirect() == 1);
  struct {
    alignas(16) unsigned char before[256], after[256];
    long red_zone;
    long rdi, rsi, rdx, r10, r8, r9, result;
  } state{};
  for (int k = 0; k < 256; ++k) state.before[k] = static_cast<unsigned char>(k * 7 + 1);
  const auto run = [&](long nr) {
    register long r10 asm("r10") = 0x44;
    register long r8 asm("r8") = 0x55;
    register long r9 asm("r9") = 0x66;
    long rdi = 0x11, rsi = 0x22, rdx = 0x33, rax = nr;
    asm volatile(
        "movups 0(%[v]), %%xmm0\n movups 16(%[v]), %%xmm1\n movups 32(%[v]), %%xmm2\n movups 48(%[v]), %%xmm3\n"
        "movups 64(%[v]), %%xmm4\n movups 80(%[v]), %%xmm5\n movups 96(%[v]), %%xmm6\n movups 112(%[v]), %%xmm7\n"
        "movups 128(%[v]), %%xmm8\n movups 144(%[v]), %%xmm9\n movups 160(%[v]), %%xmm10\n movups 176(%[v]), %%xmm11\n"
        "movups 192(%[v]), %%xmm12\n movups 208(%[v]), %%xmm13\n movups 224(%[v]), %%xmm14\n movups 240(%[v]), %%xmm15\n"
        "lea -256(%%rsp), %%rsp\n"
        "movq $0x5a5a5a5a, -16(%%rsp)\n"  // call writes at -8: this word lies in the callee's red zone
        "call *%[f]\n"
        "mov -16(%%rsp), %%r11\n"
        "mov %%r11, 256(%[after])\n"
        "lea 256(%%rsp), %%rsp\n"
        "movups %%xmm0, 0(%[after])\n movups %%xmm1, 16(%[after])\n movups %%xmm2, 32(%[after])\n"
        "movups %%xmm3, 48(%[after])\n movups %%xmm4, 64(%[after])\n movups %%xmm5, 80(%[after])\n"
        "movups %%xmm6, 96(%[after])\n movups %%xmm7, 112(%[after])\n movups %%xmm8, 128(%[after])\n"
        "movups %%xmm9, 144(%[after])\n movups %%xmm10, 160(%[after])\n movups %%xmm11, 176(%[after])\n"
        "movups %%xmm12, 192(%[after])\n movups %%xmm13, 208(%[after])\n movups %%xmm14, 224(%[after])\n"
        "movups %%xmm15, 240(%[after])\n"
        : "+D"(rdi), "+S"(rsi), "+d"(rdx), "+a"(rax), "+r"(r10), "+r"(r8), "+r"(r9)
        : [v] "r"(&state.before[0]), [after] "r"(&state.after[0]), [f] "r"(b.at())
        : "rcx", "r11", "rbx", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
          "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    state.rdi = rdi, state.rsi = rsi, state.rdx = rdx, state.r10 = r10, state.r8 = r8, state.r9 = r9;
    state.result = rax;
  };
  const auto check = [&] {
    CHECK(std::memcmp(state.before, state.after, 256) == 0);
    CHECK(state.red_zone == 0x5a5a5a5a);
    CHECK(state.rdi == 0x11);
    CHECK(state.rsi == 0x22);
    CHECK(state.rdx == 0x33);
    CHECK(state.r10 == 0x44);
    CHECK(state.r8 == 0x55);
    CHECK(state.r9 == 0x66);
    std::memset(state.after, 0, 256);
    state.red_zone = 0;
  };
  run(SYS_getppid);
  CHECK(state.result == getppid());
  check();
  {
    const with_handler h(SYS_getppid, answer_1234);
    run(SYS_getppid);
    CHECK(state.result == 1234);
    check();
  }
  const with_handler h(SYS_getppid, look_and_pass);
  run(SYS_getppid);
  CHECK(state.result == getppid());
  check();
}

TEST_CASE("flags survive where the number is known and nobody handles it") {
  // mov $39, %eax; syscall; setc %al; movzbl %al, %eax; ret
  code_buffer b{0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x92, 0xc0, 0x0f, 0xb6, 0xc0, 0xc3};
  REQUIRE(b.redirect() == 1);
  long with_carry, without;
  asm volatile("sub $128, %%rsp\n stc\n call *%1\n add $128, %%rsp" : "=a"(with_carry) : "r"(b.at()) : "rcx", "r11", "memory", "cc");
  asm volatile("sub $128, %%rsp\n clc\n call *%1\n add $128, %%rsp" : "=a"(without) : "r"(b.at()) : "rcx", "r11", "memory", "cc");
  CHECK(with_carry == 1);
  CHECK(without == 0);
}
