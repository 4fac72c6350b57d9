// One instruction at a time: its length, how control leaves it, and what must change for it to run elsewhere.
//
// Zydis does the decoding and is loaded only when something is to be scanned, so a program that never patches never pays
// for it and libweft.so does not depend on it. Start-up path only: dlopen and libc are used freely.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace weft::patch {

enum class flow : std::uint8_t {
  plain,          // goes on with the next instruction
  branch,         // may go to `target`
  jump,           // goes to `target`
  jump_indirect,  // goes nobody can see where
  call,           // direct (`target`) or indirect
  ret,
  system_call,  // the instruction this folder is about
  padding,      // nop, int3: not meant to run
  landing,      // endbr64: something jumps here that no scan can see
  trap,         // hlt, ud2: never goes on
};

// The two forms in which compilers name a jump table: `lea table(%rip), reg` with 32-bit offsets from the table, and
// `table(,reg,8)` with addresses.
enum class table_form : std::uint8_t { none, offsets, addresses };

struct instruction {
  std::uint8_t length = 0;
  flow kind = flow::plain;
  std::uint8_t condition = 0;        // of a jcc: the low nibble of its opcode
  bool movable = false;              // runs elsewhere as it is, or with its distance to `target` rewritten
  bool rip_relative = false;         // `target` is a memory operand
  std::uint8_t displacement_at = 0;  // of a rip-relative operand: where in the instruction its 32-bit distance is
  table_form table = table_form::none;  // `target` may be a jump table
  bool vector = false;               // may touch an x87, MMX, SSE, AVX or AVX-512 register
  std::uintptr_t target = 0;  // of a relative branch, jump or call, of a rip-relative operand, of a table; 0 without one

  bool ends_flow() const noexcept {
    return kind == flow::jump || kind == flow::jump_indirect || kind == flow::ret || kind == flow::trap;
  }
  bool branches() const noexcept { return kind == flow::branch || kind == flow::jump || kind == flow::call; }
};

// What an instruction leaves in eax, as far as the number of a following system call is concerned.
enum class eax_effect : std::uint8_t { untouched, constant, copied, unknown };  // copied: a plain move from elsewhere
struct eax_write {
  eax_effect effect;
  std::int32_t value;
};

class decoder {
public:
  // Loads Zydis. On failure returns null and says why in `why`.
  static std::unique_ptr<decoder> open(std::string& why);
  ~decoder();
  decoder(const decoder&) = delete;
  decoder& operator=(const decoder&) = delete;

  // Decodes the instruction at `at`, reading no byte from `end` on; nullopt for bytes that are no instruction.
  std::optional<instruction> decode(std::uintptr_t at, std::uintptr_t end) const;

  // Slower, with operands: what the instruction does to eax.
  eax_write effect_on_eax(std::uintptr_t at, std::uintptr_t end) const;

  // Whether a register operand of it reads rax or a part.
  bool reads_eax(std::uintptr_t at, std::uintptr_t end) const;

private:
  struct zydis;
  explicit decoder(std::unique_ptr<zydis> z);
  std::unique_ptr<zydis> zydis_;
};

}  // namespace weft::patch
