#include "program.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <sstream>
#include <vector>

#include "../doubt.hpp"
#include "../start_error.hpp"
#include "finding.hpp"
#include "mapped_file.hpp"
#include "output.hpp"
#include "patch/fde_table.hpp"
#include "patch/policy.hpp"
#include "patch/scan.hpp"

namespace weft::doctor {
namespace {

constexpr const char* loader = "/lib64/ld-linux-x86-64.so.2";

const char* const call_names[] = {
#include <syscall_names.inc>
};

std::string call_name(int nr) {
  if (nr >= 0 && nr < static_cast<int>(std::size(call_names)) && call_names[nr] != nullptr) return call_names[nr];
  return nr < 0 ? "a number computed at run time" : "call " + std::to_string(nr);
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// What the loader says of the file; it maps libraries, and runs nothing of them.
std::string loader_list(const std::string& path) { return play({loader, "--list", path}, false).text; }

struct objects {
  std::vector<std::unique_ptr<mapped_file>> files;  // the program first
  std::vector<std::string> absent;                  // libraries that the loader does not find
};

objects open_objects(const std::string& path) {
  objects all;
  all.files.push_back(std::make_unique<mapped_file>(path));
  std::istringstream lines(loader_list(path));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t arrow = line.find(" => ");
    const std::size_t begin = arrow != std::string::npos ? arrow + 4 : line.find('/');
    if (begin == std::string::npos) continue;
    const std::string file = line.substr(begin, line.rfind(" (0x") - begin);
    if (file == "not found")
      all.absent.push_back(line.substr(1, arrow - 1));
    else if (file.starts_with('/'))
      all.files.push_back(std::make_unique<mapped_file>(file));
  }
  return all;
}

// The objects that take one of these functions from elsewhere, the C and C++ libraries' own uses left out.
std::string users(const objects& all, std::initializer_list<const char*> functions) {
  std::string names;
  for (const auto& f : all.files) {
    const std::string name = last_part(f->image().path);
    if (name.starts_with("libc.so") || name.starts_with("libstdc++.so") || name.starts_with("ld-linux")) continue;
    for (const char* function : functions)
      if (f->needs(function)) {
        names += (names.empty() ? "" : ", ") + name;
        break;
      }
  }
  return names;
}

finding thread_finding(const objects& all) {
  const std::string makers = users(
      all, {"pthread_create", "thrd_create", "_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE",
            "g_thread_new", "g_thread_try_new", "GOMP_parallel", "__kmpc_fork_call", "uv_thread_create", "PyThread_start_new_thread"});
  if (!makers.empty()) return {level::ok, "threads", "made by " + makers + ": each becomes a green thread", ""};
  if (!users(all, {"dlopen", "dlmopen"}).empty())
    return {level::ok, "threads", "made by none of these files; what they load later may make some", ""};
  return {level::ok, "threads", "made by none of these files: with one thread it runs as natively, its calls pass through", ""};
}

void scan_findings(const objects& all, std::vector<finding>& found) {
  std::string why;
  const auto decoder = patch::decoder::open(why);
  if (decoder == nullptr) {
    found.push_back({level::limited, "system calls", "not looked at: " + why, "install libzydis4"});
    return;
  }
  int sites = 0, redirected = 0, looked_at = 0;
  std::string own;  // other objects than libc that make system calls of their own
  std::vector<std::string> refused;
  patch::patch_policy policy;
  for (const auto& f : all.files) {
    const patch::elf_image& image = f->image();
    const std::string name = last_part(image.path);
    if (!f->error().empty()) {
      found.push_back({level::limited, name, "not looked at: " + f->error(), ""});
      continue;
    }
    const char* left = policy.never_patched(image);
    if (left != nullptr && !name.starts_with("ld-linux"))
      found.push_back({level::limited, name, std::string("left as it is: ") + left + "; its own system calls block", ""});
    if (left != nullptr) continue;
    ++looked_at;
    int here = 0;
    for (const patch::range& text : image.text) {
      if (!patch::holds_candidate(text)) continue;
      const patch::fde_table functions(image.eh_frame_hdr, text);
      for (const patch::site& s :
           patch::scan(*decoder, {image.base, text, image.readable, [&](std::uintptr_t a) { return functions.find(a); }})) {
        ++sites, ++here;
        if (s.state == patch::site_state::patchable)
          ++redirected;
        else if (s.state != patch::site_state::signal_return)
          refused.push_back(call_name(s.nr) + " in " + name + ": " + patch::describe(s.state));
        else
          ++redirected;
      }
    }
    if (here > 0 && !name.starts_with("libc.so")) own += (own.empty() ? "" : ", ") + name + " (" + std::to_string(here) + ")";
  }
  const level how = refused.empty() ? level::ok : level::limited;
  found.push_back({how, "system calls",
                   std::to_string(redirected) + " of " + std::to_string(sites) + " sites in " + std::to_string(looked_at) +
                       " objects can be redirected",
                   ""});
  if (!own.empty()) found.push_back({level::ok, "", "beside libc, these make calls of their own: " + own, ""});
  for (std::size_t i = 0; i < refused.size(); ++i) {
    if (i == 8) {
      found.push_back({level::limited, "", "... and " + std::to_string(refused.size() - i) + " more", ""});
      break;
    }
    found.push_back({level::limited, "", refused[i] + "; it blocks its OS thread", ""});
  }
}

// execvp(3) and shells run by sh what the kernel does not know, unless it looks like anything but text.
bool left_to_sh(const std::string& path) {
  const std::string head = command::head_of(path);
  return !head.empty() && !head.starts_with("#!") && head.find('\0') == std::string::npos;
}

// A script's interpreter, to the one that is no script.
std::string behind_scripts(std::string path) {
  for (int depth = 0; depth < 5; ++depth) {
    const std::string head = command::head_of(path), text(command::interpreter_line(head));
    if (text.empty()) return path;
    std::string interpreter = text.substr(0, text.find_first_of(" \t\r"));
    // env(1) becomes the word that follows it.
    if (last_part(interpreter) == "env") {
      std::istringstream words(text);
      std::string word;
      words >> word;
      while (words >> word && (word.starts_with('-') || word.find('=') != std::string::npos)) {
      }
      interpreter = command::find_program(word);
    }
    path = interpreter;
  }
  return path;
}

}  // namespace

verdict explain(const std::string& name) {
  const std::string path = command::find_program(name);
  if (path.empty() || access(path.c_str(), F_OK) != 0) {
    std::fprintf(stderr, "weft: %s: no such program%s\n", name.c_str(), name.find('/') == std::string::npos ? " in PATH" : "");
    return verdict::unknown;
  }
  if (const std::string unfit = command::unfit_to_start(path); !unfit.empty()) {
    std::fprintf(stderr, "weft: %s: %s\n", path.c_str(), unfit.c_str());
    return verdict::unknown;
  }
  if (access(path.c_str(), R_OK) != 0) {
    std::fprintf(stderr, "weft: %s: %s\n", path.c_str(), std::strerror(errno));
    return verdict::unknown;
  }
  const bool by_sh = left_to_sh(path);
  const std::string program = by_sh ? "/bin/sh" : behind_scripts(path);
  std::string why = command::reason_to_run_natively(path);
  if (why.empty() && program != path) why = command::reason_to_run_natively(program);
  std::vector<finding> found;
  if (program != path) found.push_back({level::ok, "script", "run by " + program + (by_sh ? ", as it has no #! line" : ""), ""});
  if (!why.empty()) {
    std::printf("%s: runs natively: %s\n", path.c_str(), why.c_str());
    print(found);
    return verdict::native;
  }
  char* real = realpath(program.c_str(), nullptr);  // $ORIGIN is where the file is, not where a link to it is
  const objects all = open_objects(real != nullptr ? real : program);
  std::free(real);
  if (!all.files.front()->error().empty()) {
    std::fprintf(stderr, "weft: %s: %s\n", program.c_str(), all.files.front()->error().c_str());
    return verdict::unknown;
  }
  found.push_back(
      {level::ok, "program", "x86-64, dynamically linked, glibc's loader, " + std::to_string(all.files.size() - 1) + " libraries", ""});
  if (all.files.size() == 1)
    found.push_back({level::limited, "libraries", "the loader does not list them: only the program itself was looked at", ""});
  for (const std::string& library : all.absent)
    found.push_back({level::missing, "library", library + " is not found: the program does not start, with Weft or without", ""});
  found.push_back(thread_finding(all));
  scan_findings(all, found);
  if (const std::string s = users(all, {"seccomp_load", "seccomp_init"}); !s.empty())
    found.push_back({level::limited, "seccomp", s + ": if it installs a filter of its own, threads made from then on are the kernel's",
                     "its option that turns its sandbox off, if there is one"});
  if (const std::string s = users(all, {"setns", "unshare"}); !s.empty())
    found.push_back({level::limited, "namespaces", s + ": setns and unshare act on all green threads at once", ""});
  std::printf("%s: runs green\n", path.c_str());
  print(found);
  return verdict::green;
}

}  // namespace weft::doctor
