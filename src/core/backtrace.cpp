#include "core/backtrace.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <dlfcn.h>
#include <memory>
#include <utility>
#include <vector>

#include "core/plumbing.hpp"
#include "sys/features.hpp"

namespace weft::core {

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* into) noexcept {
  auto& f = *static_cast<frames*>(into);
  if (f.count == frames::most) return _URC_END_OF_STACK;
  f.at[f.count++] = reinterpret_cast<void*>(_Unwind_GetIP(context));
  return _URC_NO_REASON;
}

namespace {

struct named : seen_frame {
  std::string text;
};

named name_of(const void* address) {
  named out;
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) {
    out.text = "?";
    return out;
  }
  const char* slash = std::strrchr(info.dli_fname, '/');
  out.file = slash != nullptr ? slash + 1 : info.dli_fname;
  out.own = out.file.starts_with("libweft.so") || out.file.starts_with("libweft-shim.so");
  if (info.dli_sname != nullptr) {
    int status = 0;
    std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), std::free);
    out.function = status == 0 ? name.get() : info.dli_sname;
    out.text = out.function + ' ';
  }
  char offset[40];
  std::snprintf(offset, sizeof offset, "+0x%zx)",
                static_cast<std::size_t>(static_cast<const char*>(address) - static_cast<const char*>(info.dli_fbase)));
  out.text += "(" + out.file + offset;
  return out;
}

bool all_are_wanted() {
  const char* word = sys::env("WEFT_FRAMES");
  return word != nullptr && std::strcmp(word, "all") == 0;
}

}  // namespace

std::string symbol(const void* address) { return name_of(address).text; }

void append_frames(const frames& trace, std::string& out, int first) {
  std::vector<seen_frame> all;
  std::vector<std::string> lines;
  for (int i = first; i < trace.count && trace.at[i] != nullptr; ++i) {
    // A return address may belong to the next function when the call was the last thing its caller did.
    named one = name_of(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(trace.at[i]) - 1));
    lines.push_back(std::move(one.text));
    all.push_back(std::move(one));
  }
  const frame_range shown = all_are_wanted() ? frame_range{0, all.size()} : without_plumbing(all);
  for (std::size_t i = shown.begin; i < shown.end; ++i)
    out.append("    #").append(std::to_string(i - shown.begin)).append(" ").append(lines[i]).append("\n");
}

}  // namespace weft::core
