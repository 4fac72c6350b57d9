// The text of the switch between two stacks, which fibers and greenlets share, and what compilers are told that it changes. x86-64 only.
//
// Each user names the registers of what meets at the switch by itself. Nothing else may be put into the text: who is suspended by one
// use is resumed by another.
#pragma once

// Pushes where the caller goes on, its floating-point modes (by `MODES`) and its frame pointer, notes the stack pointer at (rdi), and
// resumes what stands at rdx. Uses rcx. Leaves by an indirect jump, and comes back by one.
#define WEFT_SWAP_STACKS_WITH(MODES) \
  "push %%rbp\n\t"                   \
  "lea 1f(%%rip), %%rcx\n\t"         \
  "push %%rcx\n\t"                   \
  MODES                              \
  "mov %%rsp, (%%rdi)\n\t"           \
  "mov %%rdx, %%rsp\n\t"             \
  "mov 8(%%rdx), %%rcx\n\t"          \
  "ldmxcsr (%%rdx)\n\t"              \
  "fldcw 4(%%rdx)\n\t"               \
  "jmp *%%rcx\n"                     \
  "1:\n\t"                           \
  "add $16, %%rsp\n\t"               \
  "pop %%rbp"
#define WEFT_SWAP_STACKS   \
  WEFT_SWAP_STACKS_WITH(   \
      "sub $8, %%rsp\n\t"  \
      "stmxcsr (%%rsp)\n\t" \
      "fnstcw 4(%%rsp)\n\t")

// Vector and x87 registers, as far as the file is compiled to use them: to be put behind another clobber.
#ifdef __AVX512F__
#define WEFT_CLOBBERS_512                                                                                                         \
  , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", \
      "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define WEFT_CLOBBERS_512
#endif
#ifdef __SSE__
#define WEFT_CLOBBERS_VECTORS                                                                                                   \
  , "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",        \
      "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15" WEFT_CLOBBERS_512
#else
#define WEFT_CLOBBERS_VECTORS
#endif
