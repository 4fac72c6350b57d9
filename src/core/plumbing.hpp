// Which frames of a stack are the program's to see: not those by which Weft, libstdc++ and libc came to call it, nor those of Weft
// between a call that waits and the switch. For what shows stacks: run_info, the watchdog, `weft bt`, which has no libweft.so.
//
// Goes by names, as far as there are some, and by files. What stands between two functions of the program's is left alone.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace weft::core {

// Of a demangled name the part that begins with the outermost namespace, up to the parameters: "ns::f<int>" of "void ns::f<int>(int)".
inline std::string_view qualified_name(std::string_view demangled) {
  constexpr std::string_view unnamed = "(anonymous namespace)", decltype_of = "decltype", op = "operator";
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i < demangled.size(); ++i) {
    const std::string_view rest = demangled.substr(i);
    const char c = rest.front();
    if (depth == 0 && rest.starts_with(unnamed)) {
      i += unnamed.size() - 1;
    } else if (depth == 0 && rest.starts_with(op) && (i == begin || demangled[i - 1] == ':')) {
      return demangled.substr(begin, i + op.size() - begin);  // what follows may look like brackets
    } else if (depth == 0 && c == '(' && !demangled.substr(0, i).ends_with(decltype_of)) {
      return demangled.substr(begin, i - begin);
    } else if (c == '<' || c == '(' || c == '{' || c == '[') {
      ++depth;
    } else if (c == '>' || c == ')' || c == '}' || c == ']') {
      --depth;
    } else if (c == ' ' && depth == 0) {
      begin = i + 1;
    }
  }
  return demangled.substr(begin);
}

struct seen_frame {
  std::string function;  // demangled; empty: not known
  std::string file;      // last part of the object's path
  bool own = false;      // of libweft.so or the shim
};

// From `begin` to before `end` of a stack, innermost first.
struct frame_range {
  std::size_t begin, end;
};

namespace plumbing {

inline bool in_any(std::string_view name, std::initializer_list<std::string_view> namespaces) {
  for (const std::string_view each : namespaces)
    if (name.starts_with(each)) return true;
  return false;
}

// Weft's insides, whatever object they were compiled into.
inline bool inside(std::string_view name) {
  if (name.starts_with("weft::") && name.find("::detail") != name.npos) return true;
  return in_any(name, {"weft::core::", "weft::io::", "weft::poller::", "weft::patch::", "weft::green::", "weft::sys::"});
}

// Calls the program's function on behalf of Weft or a std::thread.
inline bool calls_the_program(const seen_frame& f) {
  const std::string_view name = qualified_name(f.function);
  return f.own || in_any(name, {"std::", "weft::", "__gnu_cxx::"}) || (name.empty() && f.file.starts_with("libstdc++.so"));
}

inline bool of_libc(const seen_frame& f) { return f.file.starts_with("libc.so") || f.file.starts_with("ld-linux"); }

// libc's first functions of a thread and of the program. Some of them have no name in a stripped libc.
inline bool begins_a_thread(const seen_frame& f) {
  const std::string_view name = f.function;
  for (const std::string_view each : {"start_thread", "__clone3", "clone3", "__clone", "clone", "_start"})
    if (name == each) return true;
  return name.starts_with("__libc_start_") || (name.empty() && of_libc(f));
}

// Weft's, wherever it was compiled into.
inline bool hidden(const seen_frame& f) { return f.own || inside(qualified_name(f.function)); }

// What a program calls, or makes.
inline bool is_face(const seen_frame& f) {
  const std::string_view name = qualified_name(f.function);
  return name.starts_with("weft::") && !inside(name);
}

// A stack of Weft's frames alone.
inline frame_range of_weft_alone(const std::vector<seen_frame>& all) {
  std::size_t begin = 0, end = all.size();
  // The program's function may be there all the same, inlined into what calls it.
  while (begin < end && all[begin].own) ++begin;
  while (end > begin && all[end - 1].own) --end;
  if (begin < end) return {begin, end};
  // A fiber of Weft's own making, such as a server's that accepts.
  for (begin = 0, end = all.size(); begin < end && !is_face(all[begin]);) ++begin;
  if (begin == end) return {0, end};
  while (!is_face(all[end - 1])) --end;
  return {begin, end};
}

}  // namespace plumbing

// Never empty, unless `all` is.
inline frame_range without_plumbing(const std::vector<seen_frame>& all) {
  using namespace plumbing;
  std::size_t begin = 0, end = all.size();
  while (begin < end && hidden(all[begin])) ++begin;
  if (begin == end) return of_weft_alone(all);
  // What stands outside of libc's first function is a _start, which may have no name.
  for (std::size_t i = begin + 1; i < end; ++i)
    if (all[i].function.starts_with("__libc_start_")) end = i;
  while (end > begin + 1 && begins_a_thread(all[end - 1])) --end;
  // Optimized, the program's own function may be a part of the one that calls it, which is then all there is of it.
  bool certain = false;
  for (std::size_t i = begin; i < end; ++i) certain = certain || (!calls_the_program(all[i]) && !of_libc(all[i]));
  const auto goes = [&](const seen_frame& f) { return certain ? calls_the_program(f) : f.own || f.file.starts_with("libstdc++.so"); };
  while (end > begin + 1 && goes(all[end - 1])) --end;
  return {begin, end};
}

}  // namespace weft::core
