#include "inspect/process.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::inspect {
namespace {

std::string field(const std::string& status, const char* name) {
  const auto at = status.find(std::string("\n") + name + ":");
  if (at == std::string::npos) return {};
  const auto begin = status.find_first_not_of(" \t", at + std::strlen(name) + 2);
  return status.substr(begin, status.find('\n', begin) - begin);
}

std::string last_word(const std::string& text) { return text.substr(text.find_last_of(" \t") + 1); }

bool is_kernel_thread(const std::string& stat) {
  constexpr unsigned long kernels_own = 0x00200000;  // PF_KTHREAD, of the flags (proc_pid_stat(5))
  const std::size_t behind_name = stat.rfind(')');
  unsigned long flags = 0;
  return behind_name != std::string::npos && std::sscanf(stat.c_str() + behind_name + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) == 1 &&
         (flags & kernels_own) != 0;
}

// Where not all users of the machine are known (user_namespaces(7)).
bool is_root_of_a_user_namespace() {
  unsigned long inside = 0, outside = 0, count = 0;
  const std::string map = file_text("/proc/self/uid_map");
  return std::sscanf(map.c_str(), "%lu %lu %lu", &inside, &outside, &count) == 3 && count != 0xffffffff;
}

std::string user_name(uid_t id) {
  const passwd* p = getpwuid(id);
  return p != nullptr ? p->pw_name : "user " + std::to_string(id);
}

}  // namespace

std::string file_text(const std::string& path) {
  std::string out;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  char part[16384];
  for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;) out.append(part, static_cast<std::size_t>(n));
  close(fd);
  return out;
}

std::string link_text(const std::string& path) {
  char text[PATH_MAX];
  const ssize_t n = readlink(path.c_str(), text, sizeof text);
  return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string();
}

process::process(pid_t pid) : pid_(pid) {
  const std::string status = file_text(proc("status"));
  if (status.empty()) throw failure("there is no process " + std::to_string(pid));
  if (field(status, "Tgid") != std::to_string(pid))
    throw failure(std::to_string(pid) + " is a thread of process " + field(status, "Tgid") + ": ask for that one");
  if (field(status, "State").starts_with("Z")) throw failure("process " + std::to_string(pid) + " has ended");
  name_ = file_text(proc("comm"));
  if (!name_.empty() && name_.back() == '\n') name_.pop_back();
  other_ids_ = last_word(field(status, "NSpid")) != std::to_string(pid);
  read_mappings();
}

std::string process::proc(std::string_view file) const {
  return "/proc/" + std::to_string(pid_) + "/" + std::string(file);
}

std::string process::outside(const std::string& path) const { return proc("root") + path; }

void process::read_mappings() {
  mappings_.clear();
  const int fd = open(proc("maps").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) refuse(errno);
  close(fd);
  const std::string maps = file_text(proc("maps"));
  for (std::size_t at = 0; at < maps.size();) {
    const std::size_t end = maps.find('\n', at);
    const std::string line = maps.substr(at, end - at);
    at = end == std::string::npos ? maps.size() : end + 1;
    mapping m{};
    char rights[5] = {};
    int path_at = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %lx %*s %*s %n", &m.begin, &m.end, rights, &m.offset, &path_at) < 4) continue;
    m.executable = rights[2] == 'x';
    if (path_at > 0 && static_cast<std::size_t>(path_at) < line.size()) m.path = line.substr(static_cast<std::size_t>(path_at));
    mappings_.push_back(std::move(m));
  }
  if (!mappings_.empty()) return;
  if (is_kernel_thread(file_text(proc("stat")))) throw failure("process " + std::to_string(pid_) + " is one of the kernel's own");
  refuse(ESRCH);  // on its way out, it has given its memory back already
}

const mapping* process::mapping_of(address at) const {
  auto next = std::upper_bound(mappings_.begin(), mappings_.end(), at, [](address a, const mapping& m) { return a < m.begin; });
  if (next == mappings_.begin()) return nullptr;
  --next;
  return at < next->end ? &*next : nullptr;
}

std::vector<pid_t> process::threads() const {
  std::vector<pid_t> out;
  DIR* folder = opendir(proc("task").c_str());
  if (folder == nullptr) return out;
  while (const dirent* e = readdir(folder))
    if (const int id = std::atoi(e->d_name); id > 0) out.push_back(id);
  closedir(folder);
  std::sort(out.begin(), out.end());
  return out;
}

pid_t process::inner_id(pid_t thread) const {
  if (!other_ids_) return thread;
  return std::atoi(last_word(field(file_text(proc("task/" + std::to_string(thread) + "/status")), "NSpid")).c_str());
}

pid_t process::thread_called(std::uint32_t inner) const {
  for (const pid_t t : threads())
    if (inner_id(t) == static_cast<pid_t>(inner)) return t;
  return 0;
}

std::string process::thread_name(pid_t thread) const {
  std::string name = file_text(proc("task/" + std::to_string(thread) + "/comm"));
  if (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

kernel_call process::call_of(pid_t thread) const {
  kernel_call c;
  const std::string text = file_text(proc("task/" + std::to_string(thread) + "/syscall"));
  if (text.empty()) return c;
  if (text.starts_with("running")) {
    c.what = kernel_call::kind::running;
    return c;
  }
  c.what = kernel_call::kind::blocked;
  std::uint64_t* a = c.arguments;
  if (std::sscanf(text.c_str(), "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &c.number, a, a + 1, a + 2, a + 3, a + 4, a + 5,
                  &c.stack_pointer, &c.program_counter) != 9)
    std::sscanf(text.c_str(), "%ld %lx %lx", &c.number, &c.stack_pointer, &c.program_counter);
  return c;
}

bool process::alive() const {
  const std::string status = file_text(proc("status"));
  return !status.empty() && !field(status, "State").starts_with("Z");
}

void process::refuse(int error) const {
  const std::string who = "process " + std::to_string(pid_) + (name_.empty() ? "" : " (" + name_ + ")");
  if (error == ESRCH || error == ENOENT || !alive()) throw failure(who + " has ended");
  if (error != EPERM && error != EACCES) throw failure(who + ": " + std::strerror(error));
  const std::string status = file_text(proc("status"));
  if (const std::string tracer = field(status, "TracerPid"); !tracer.empty() && tracer != "0")
    throw failure(who + " is being traced by process " + tracer + " (a debugger?), and a process has one tracer at a time");
  const auto owner = static_cast<uid_t>(std::strtoul(field(status, "Uid").c_str(), nullptr, 10));
  if (geteuid() != 0 && owner != geteuid())
    throw failure(who + " belongs to " + user_name(owner) + ": only that user and root may look into it");
  // Yama is asked only where a process is to be attached to, or its memory read: who was refused its map was refused by the kernel itself.
  const std::string yama = mappings_.empty() ? "" : file_text("/proc/sys/kernel/yama/ptrace_scope");
  if (!yama.empty() && yama[0] == '3')
    throw failure(who + ": this system lets nobody look into processes (kernel.yama.ptrace_scope is 3 until the next boot)");
  if (geteuid() != 0 && !yama.empty() && yama[0] != '0')
    throw failure(who + ": this system lets only root look into processes (kernel.yama.ptrace_scope is " + yama.substr(0, 1) +
                  "): use sudo, or allow it by sudo sysctl kernel.yama.ptrace_scope=0");
  if (geteuid() != 0)
    throw failure(who + " is protected by the kernel (it changed its user, has capabilities of its own, or forbids it by " +
                  "prctl(PR_SET_DUMPABLE)): look as root");
  if (is_root_of_a_user_namespace())
    throw failure(who + ": root of a user namespace (unshare, rootless containers) may look into what was started in it, and " +
                  "this process was not, or forbids it");
  throw failure(who + ": the kernel refuses root a look, as in a container without CAP_SYS_PTRACE (docker run --cap-add SYS_PTRACE)");
}

}  // namespace weft::inspect
