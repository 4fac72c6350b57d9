#include "inspect/unwind.hpp"

#include <cstring>
#include <dwarf.h>

namespace weft::inspect {
namespace {

// mov $15, %rax; syscall: by these bytes unwinders know the return from a signal handler.
constexpr unsigned char return_stub[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};

// Where the kernel's ucontext has each register (asm/sigcontext.h): r8 .. r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip.
constexpr address context_registers = 40;
constexpr unsigned context_order[] = {8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16};

constexpr bool preserved_by_calls(unsigned r) { return r == registers::rbx || r == registers::rbp || (r >= 12 && r <= 15); }

// One of "the frame's address plus a number"; most rules are.
bool plain_offset(const Dwarf_Op* ops, std::size_t count, std::int64_t& offset) {
  if (count == 0 || ops[0].atom != DW_OP_call_frame_cfa) return false;
  offset = 0;
  if (count == 1) return true;
  if (count == 2 && ops[1].atom == DW_OP_plus_uconst) {
    offset = static_cast<std::int64_t>(ops[1].number);
    return true;
  }
  if (count == 3 && (ops[1].atom == DW_OP_consts || ops[1].atom == DW_OP_constu) && ops[2].atom == DW_OP_plus) {
    offset = static_cast<std::int64_t>(ops[1].number);
    return true;
  }
  return false;
}

}  // namespace

const unwinder::rules* unwinder::rules_at(address pc) {
  const auto [at, fresh] = known_.try_emplace(pc);
  rules& out = at->second;
  if (!fresh) return out.good ? &out : nullptr;
  Dwfl_Module* module = images_.module_of(pc);
  if (module == nullptr) return nullptr;
  Dwarf_Frame* frame = nullptr;
  Dwarf_Addr bias = 0;
  if (Dwarf_CFI* cfi = dwfl_module_eh_cfi(module, &bias); cfi == nullptr || dwarf_cfi_addrframe(cfi, pc - bias, &frame) != 0) {
    cfi = dwfl_module_dwarf_cfi(module, &bias);
    if (cfi == nullptr || dwarf_cfi_addrframe(cfi, pc - bias, &frame) != 0) return nullptr;
  }
  dwarf_frame_info(frame, nullptr, nullptr, &out.signal);
  Dwarf_Op* ops = nullptr;
  std::size_t count = 0;
  if (dwarf_frame_cfa(frame, &ops, &count) == 0 && count != 0) {
    out.good = true;
    out.cfa.assign(ops, ops + count);
  }
  for (unsigned r = 0; out.good && r < registers::count; ++r) {
    Dwarf_Op room[3];
    rule& one = out.of[r];
    if (dwarf_frame_register(frame, static_cast<int>(r), room, &ops, &count) != 0)
      one.what = rule::undefined;
    else if (count == 0)
      one.what = ops == nullptr || (ops == room && preserved_by_calls(r) && r != registers::pc) ? rule::same : rule::undefined;
    else if (plain_offset(ops, count, one.from_cfa))
      one.what = rule::offset;
    else {
      one.what = rule::expression;
      one.ops.assign(ops, ops + count);
    }
  }
  free(frame);
  return out.good ? &out : nullptr;
}

unwinder::step unwinder::by_tables(registers& r, bool exact) {
  const rules* now = rules_at(exact ? r.value[registers::pc] : r.value[registers::pc] - 1);
  if (now == nullptr) return step::none;
  const auto cfa = evaluate(now->cfa.data(), now->cfa.size(), r, std::nullopt, memory_);
  if (!cfa) return step::none;
  registers out;
  for (unsigned i = 0; i < registers::count; ++i) {
    const rule& one = now->of[i];
    if (one.what == rule::offset) {
      if (const auto there = memory_.get<std::uint64_t>(cfa->value + static_cast<std::uint64_t>(one.from_cfa))) out.set(i, *there);
    } else if (one.what == rule::expression) {
      const auto e = evaluate(one.ops.data(), one.ops.size(), r, cfa->value, memory_);
      const auto value = !e ? std::optional<std::uint64_t>() : e->is_value ? e->value : memory_.get<std::uint64_t>(e->value);
      if (value) out.set(i, *value);
    } else if (one.what == rule::same && r.has(i)) {
      out.set(i, r.value[i]);
    }
  }
  out.set(registers::rsp, cfa->value);
  // No return address, or one that is not known: the walk is over.
  if (now->of[registers::pc].what == rule::undefined) out.known &= ~(1u << registers::pc);
  if (!out.has(registers::pc)) out.set(registers::pc, 0);
  const bool signal = now->signal;
  r = out;
  return signal ? step::signal : step::call;
}

unwinder::step unwinder::by_signal_frame(registers& r) {
  unsigned char bytes[sizeof return_stub];
  if (!memory_.read(r.value[registers::pc], bytes, sizeof bytes) || std::memcmp(bytes, return_stub, sizeof bytes) != 0) return step::none;
  registers out;
  for (unsigned i = 0; i < registers::count; ++i) {
    const auto there = memory_.get<std::uint64_t>(r.value[registers::rsp] + context_registers + 8ul * i);
    if (!there) return step::none;
    out.set(context_order[i], *there);
  }
  r = out;
  return step::signal;
}

unwinder::step unwinder::by_frame_pointer(registers& r, range stack) {
  if (!r.has(registers::rbp)) return step::none;
  const address at = r.value[registers::rbp];
  if (at % 8 != 0 || at < r.value[registers::rsp] || (stack.end != 0 && at + 16 > stack.end)) return step::none;
  const auto up = memory_.get<address>(at), pc = memory_.get<address>(at + 8);
  if (!up || !pc) return step::none;
  registers out;
  out.set(registers::rbp, *up);
  out.set(registers::rsp, at + 16);
  out.set(registers::pc, *pc);
  r = out;
  return step::call;
}

unwinder::step unwinder::by_top_of_stack(registers& r) {
  const auto pc = memory_.get<address>(r.value[registers::rsp]);
  if (!pc || images_.module_of(*pc) == nullptr) return step::none;
  r.set(registers::pc, *pc);
  r.set(registers::rsp, r.value[registers::rsp] + 8);
  return step::call;
}

std::vector<frame> unwinder::walk(registers r, range stack, std::size_t most) {
  std::vector<frame> out;
  bool exact = true;
  while (out.size() < most && r.value[registers::pc] != 0) {
    if (const auto origin = trampolines_.origin_of(r.value[registers::pc])) {
      r.set(registers::pc, origin->pc);
      r.set(registers::rsp, r.value[registers::rsp] + origin->stepped);
      exact = true;
    }
    const address before = r.value[registers::rsp];
    out.push_back({r.value[registers::pc], exact});
    step s = by_signal_frame(r);
    if (s != step::none) out.pop_back();  // the stub is no frame that anybody wants to see
    if (s == step::none) s = by_tables(r, exact);
    if (s == step::none) s = by_frame_pointer(r, stack);
    if (s == step::none && out.size() == 1 && exact) s = by_top_of_stack(r);
    if (s == step::none) break;
    exact = s == step::signal;
    // A stack is walked upwards; only a signal's frame may lie on another one.
    if (s == step::call && r.value[registers::rsp] <= before) break;
  }
  return out;
}

}  // namespace weft::inspect
