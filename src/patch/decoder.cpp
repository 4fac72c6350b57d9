#include "patch/decoder.hpp"

#include <Zydis/Zydis.h>
#include <dlfcn.h>

namespace weft::patch {
namespace {

template <class F>
bool resolve(void* library, const char* name, F& out, std::string& why) {
  out = reinterpret_cast<F>(dlsym(library, name));
  if (out == nullptr) why = std::string("libZydis lacks ") + name;
  return out != nullptr;
}

flow classify(const ZydisDecodedInstruction& i) {
  switch (i.mnemonic) {
    case ZYDIS_MNEMONIC_SYSCALL: return flow::system_call;
    case ZYDIS_MNEMONIC_CALL: return flow::call;
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ: return flow::ret;
    case ZYDIS_MNEMONIC_JMP: return i.raw.imm[0].is_relative ? flow::jump : flow::jump_indirect;
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_INT3: return flow::padding;
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_ENDBR32: return flow::landing;
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2: return flow::trap;
    default: return i.raw.imm[0].is_relative ? flow::branch : flow::plain;  // jcc, loop, jrcxz, xbegin
  }
}

bool is_jcc(const ZydisDecodedInstruction& i) {
  return (i.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (i.opcode & 0xf0) == 0x70) ||
         (i.opcode_map == ZYDIS_OPCODE_MAP_0F && (i.opcode & 0xf0) == 0x80);
}

bool rip_relative(const ZydisDecodedInstruction& i) {
  return i.raw.modrm.offset != 0 && i.raw.modrm.mod == 0 && i.raw.modrm.rm == 5 && i.raw.disp.size == 32;
}

bool indexed_by_eight(const ZydisDecodedInstruction& i) {
  return i.raw.sib.offset != 0 && i.raw.modrm.mod == 0 && i.raw.sib.base == 5 && i.raw.sib.scale == 3;
}

// By the opcode, since the quick decoder knows no operands: the ranges of the two-byte map that name such registers, the three-byte
// maps but for what they hold of the general registers, every VEX and EVEX form (BMI among them: too much is harmless).
bool touches_vectors(const ZydisDecodedInstruction& i) {
  if (i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return true;
  const unsigned op = i.opcode;
  const bool memory = i.raw.modrm.offset != 0 && i.raw.modrm.mod != 3;
  switch (i.opcode_map) {
    case ZYDIS_OPCODE_MAP_DEFAULT: return (op & 0xf8) == 0xd8 || op == 0x9b;  // x87
    case ZYDIS_OPCODE_MAP_0F:
      if (op == 0xae) return memory && i.raw.modrm.reg != 7;                     // fxsave, ldmxcsr, xsave...; clflush, fences
      if (op == 0xc7) return memory && i.raw.modrm.reg >= 3 && i.raw.modrm.reg <= 5;  // xrstors, xsavec, xsaves
      return op == 0x0e || (op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2f) || (op >= 0x50 && op <= 0x7f) || op == 0xc2 ||
             (op >= 0xc4 && op <= 0xc6) || (op >= 0xd0 && op <= 0xfe);
    case ZYDIS_OPCODE_MAP_0F38: return op != 0xf0 && op != 0xf1 && op != 0xf6;  // movbe, crc32, adcx
    default: return true;
  }
}

}  // namespace

struct decoder::zydis {
  void* library = nullptr;
  decltype(&ZydisDecoderInit) init = nullptr;
  decltype(&ZydisDecoderEnableMode) enable_mode = nullptr;
  decltype(&ZydisDecoderDecodeInstruction) decode_instruction = nullptr;
  decltype(&ZydisDecoderDecodeFull) decode_full = nullptr;
  decltype(&ZydisRegisterGetLargestEnclosing) enclosing = nullptr;
  ZydisDecoder quick{};  // lengths and raw fields only: three times faster, which is most of a scan's time
  ZydisDecoder full{};

  ~zydis() {
    if (library != nullptr) dlclose(library);
  }
};

std::unique_ptr<decoder> decoder::open(std::string& why) {
  auto z = std::make_unique<zydis>();
  // The soname of the headers this was built with: another major version has other structs.
  z->library = dlopen("libZydis.so.4.0", RTLD_NOW | RTLD_LOCAL);
  if (z->library == nullptr) {
    const char* reason = dlerror();
    why = std::string("cannot load the instruction decoder (Debian package libzydis4.0): ") + (reason ? reason : "?");
    return nullptr;
  }
  if (!resolve(z->library, "ZydisDecoderInit", z->init, why) ||
      !resolve(z->library, "ZydisDecoderEnableMode", z->enable_mode, why) ||
      !resolve(z->library, "ZydisDecoderDecodeInstruction", z->decode_instruction, why) ||
      !resolve(z->library, "ZydisDecoderDecodeFull", z->decode_full, why) ||
      !resolve(z->library, "ZydisRegisterGetLargestEnclosing", z->enclosing, why))
    return nullptr;
  if (!ZYAN_SUCCESS(z->init(&z->full, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
      !ZYAN_SUCCESS(z->init(&z->quick, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64))) {
    why = "libZydis refused to decode 64-bit code";
    return nullptr;
  }
  z->enable_mode(&z->quick, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);  // where it was compiled out: slower, not wrong
  return std::unique_ptr<decoder>(new decoder(std::move(z)));
}

decoder::decoder(std::unique_ptr<zydis> z) : zydis_(std::move(z)) {}
decoder::~decoder() = default;

std::optional<instruction> decoder::decode(std::uintptr_t at, std::uintptr_t end) const {
  ZydisDecodedInstruction d;
  if (at >= end || !ZYAN_SUCCESS(zydis_->decode_instruction(&zydis_->quick, nullptr, reinterpret_cast<const void*>(at),
                                                            end - at, &d)))
    return std::nullopt;
  instruction i;
  i.length = d.length;
  i.kind = classify(d);
  i.vector = touches_vectors(d);
  const bool relative = d.raw.imm[0].is_relative;
  if (relative) i.target = at + d.length + static_cast<std::uintptr_t>(d.raw.imm[0].value.s);
  if (rip_relative(d)) {
    i.rip_relative = true;
    i.displacement_at = d.raw.disp.offset;
    i.target = at + d.length + static_cast<std::uintptr_t>(d.raw.disp.value);
    if (d.mnemonic == ZYDIS_MNEMONIC_LEA) i.table = table_form::offsets;
  }
  if (indexed_by_eight(d)) {
    i.target = static_cast<std::uintptr_t>(d.raw.disp.value);
    i.table = table_form::addresses;
  }
  switch (i.kind) {
    case flow::branch:
      i.movable = is_jcc(d);
      i.condition = d.opcode & 0x0f;
      break;
    case flow::call:  // its return address would lie in the trampoline, where no unwinder finds the caller
    case flow::system_call:
    case flow::landing: i.movable = false; break;
    default: i.movable = !relative || i.kind == flow::jump;
  }
  return i;
}

eax_write decoder::effect_on_eax(std::uintptr_t at, std::uintptr_t end) const {
  ZydisDecodedInstruction d;
  ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
  if (at >= end ||
      !ZYAN_SUCCESS(zydis_->decode_full(&zydis_->full, reinterpret_cast<const void*>(at), end - at, &d, ops)))
    return {eax_effect::unknown, 0};
  const auto is_rax = [&](const ZydisDecodedOperand& o) {
    return o.type == ZYDIS_OPERAND_TYPE_REGISTER &&
           zydis_->enclosing(ZYDIS_MACHINE_MODE_LONG_64, o.reg.value) == ZYDIS_REGISTER_RAX;
  };
  // A write to eax clears the upper half, one to ax or al does not: only the former makes a known number.
  const auto is_wide = [](const ZydisDecodedOperand& o) {
    return o.reg.value == ZYDIS_REGISTER_EAX || o.reg.value == ZYDIS_REGISTER_RAX;
  };
  // The kernel's and a callee's result: written, but no operand of the instruction.
  bool written = d.mnemonic == ZYDIS_MNEMONIC_SYSCALL || d.mnemonic == ZYDIS_MNEMONIC_CALL;
  for (int k = 0; k < d.operand_count; ++k)
    if (is_rax(ops[k]) && (ops[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) written = true;
  if (!written) return {eax_effect::untouched, 0};
  if (d.mnemonic == ZYDIS_MNEMONIC_MOV && is_rax(ops[0]) && is_wide(ops[0]) &&
      ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
    return {eax_effect::constant, static_cast<std::int32_t>(ops[1].imm.value.u)};
  if (d.mnemonic == ZYDIS_MNEMONIC_OR && is_rax(ops[0]) && is_wide(ops[0]) && ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
      ops[1].imm.value.s == -1)
    return {eax_effect::constant, -1};
  if ((d.mnemonic == ZYDIS_MNEMONIC_MOV || d.mnemonic == ZYDIS_MNEMONIC_MOVSXD) && is_rax(ops[0]) && is_wide(ops[0]))
    return {eax_effect::copied, 0};
  if ((d.mnemonic == ZYDIS_MNEMONIC_XOR || d.mnemonic == ZYDIS_MNEMONIC_SUB) && is_rax(ops[0]) && is_wide(ops[0]) &&
      is_rax(ops[1]) && is_wide(ops[1]))
    return {eax_effect::constant, 0};
  return {eax_effect::unknown, 0};
}

bool decoder::reads_eax(std::uintptr_t at, std::uintptr_t end) const {
  ZydisDecodedInstruction d;
  ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
  if (at >= end ||
      !ZYAN_SUCCESS(zydis_->decode_full(&zydis_->full, reinterpret_cast<const void*>(at), end - at, &d, ops)))
    return false;
  for (int k = 0; k < d.operand_count; ++k) {
    const ZydisRegister used = ops[k].type == ZYDIS_OPERAND_TYPE_REGISTER ? ops[k].reg.value : ZYDIS_REGISTER_NONE;
    if (zydis_->enclosing(ZYDIS_MACHINE_MODE_LONG_64, used) == ZYDIS_REGISTER_RAX &&
        (ops[k].actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0)
      return true;
  }
  return false;
}

}  // namespace weft::patch
