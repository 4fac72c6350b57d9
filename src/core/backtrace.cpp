#include "core/backtrace.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <dlfcn.h>
#include <memory>

namespace weft::core {

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* into) noexcept {
  auto& f = *static_cast<frames*>(into);
  if (f.count == frames::most) return _URC_END_OF_STACK;
  f.at[f.count++] = reinterpret_cast<void*>(_Unwind_GetIP(context));
  return _URC_NO_REASON;
}

std::string symbol(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return "?";
  const char* file = std::strrchr(info.dli_fname, '/');
  std::string text;
  if (info.dli_sname != nullptr) {
    int status = 0;
    std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), std::free);
    text = status == 0 ? name.get() : info.dli_sname;
    text += ' ';
  }
  char offset[40];
  std::snprintf(offset, sizeof offset, "+0x%zx)",
                static_cast<std::size_t>(static_cast<const char*>(address) - static_cast<const char*>(info.dli_fbase)));
  return text + "(" + (file != nullptr ? file + 1 : info.dli_fname) + offset;
}

void append_frames(const frames& trace, std::string& out, int first) {
  for (int i = first; i < trace.count && trace.at[i] != nullptr; ++i) {
    // A return address may belong to the next function when the call was the last thing its caller did.
    const std::string s = symbol(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(trace.at[i]) - 1));
    out.append("    #").append(std::to_string(i - first)).append(" ").append(s).append("\n");
  }
}

}  // namespace weft::core
