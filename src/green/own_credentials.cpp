#include "green/own_credentials.hpp"

#include <linux/capability.h>

#include "green/caller.hpp"
#include "green/turns.hpp"
#include "io/offload.hpp"
#include "sys/free_list.hpp"
#include "sys/mem.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace weft::green {

constexpr std::uint32_t most_groups = 512;

struct credentials {
  credentials* next;
  std::uint32_t uses;
  std::uint32_t users[4], groups[4];  // real, effective, saved, of the file system
  __user_cap_data_struct capabilities[2];
  std::uint32_t group_count;
  std::uint32_t supplementary[most_groups];
};

namespace {

credentials* sets = nullptr;      // of threads that do not have what most have
sys::free_list<credentials, &credentials::next> unused;
credentials common;               // what the others have, once somebody differs
credentials worn;                 // what the carrier has on, as of the last look
bool worn_known = false;
std::uint32_t different = 0;      // threads

bool same(const credentials& a, const credentials& b) noexcept {
  const auto* x = reinterpret_cast<const std::uint32_t*>(&a.users[0]);
  const auto* y = reinterpret_cast<const std::uint32_t*>(&b.users[0]);
  const std::size_t words = (offsetof(credentials, supplementary) - offsetof(credentials, users)) / sizeof *x + a.group_count;
  if (a.group_count != b.group_count) return false;
  for (std::size_t i = 0; i < words; ++i)
    if (x[i] != y[i]) return false;
  return true;
}

// Asks what the carrier has on. False: more groups than are kept.
bool look(credentials& c) noexcept {
  sys::raw(SYS_getresuid, &c.users[0], &c.users[1], &c.users[2]);
  sys::raw(SYS_getresgid, &c.groups[0], &c.groups[1], &c.groups[2]);
  c.users[3] = static_cast<std::uint32_t>(sys::raw(SYS_setfsuid, -1));
  c.groups[3] = static_cast<std::uint32_t>(sys::raw(SYS_setfsgid, -1));
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  sys::raw(SYS_capget, &header, &c.capabilities[0]);
  const long n = sys::raw(SYS_getgroups, most_groups, &c.supplementary[0]);
  c.group_count = n < 0 ? 0 : static_cast<std::uint32_t>(n);
  worn_known = n >= 0;
  if (worn_known && &c != &worn) sys::copy(&worn, &c, sizeof worn);
  return worn_known;
}

void set_capabilities(const __user_cap_data_struct* data) noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  sys::raw(SYS_capset, &header, data);
}

// Whoever may have them back: what was given up for good is not to be had. Every call that changes the carrier's comes through this file,
// so the kernel is asked only after a change.
void put_on(const credentials& to) noexcept {
  if (!worn_known) look(worn);
  if (same(worn, to)) return;
  __user_cap_data_struct all[2] = {worn.capabilities[0], worn.capabilities[1]};
  for (auto& half : all) half.effective = half.permitted;
  set_capabilities(&all[0]);
  constexpr long keep = -1;
  if (worn.users[1] != 0) sys::raw(SYS_setresuid, keep, 0, keep);
  sys::raw(SYS_setgroups, to.group_count, &to.supplementary[0]);
  sys::raw(SYS_setresgid, to.groups[0], to.groups[1], to.groups[2]);
  sys::raw(SYS_setresuid, to.users[0], to.users[1], to.users[2]);
  sys::raw(SYS_setfsgid, to.groups[3]);
  sys::raw(SYS_setfsuid, to.users[3]);
  set_capabilities(&to.capabilities[0]);
  io::credentials_changed();
  static bool said = false;
  look(worn);
  if (same(worn, to) || said) return;
  said = true;
  sys::report() << "a thread has given up credentials for good, which the others cannot have back: they go on without\n";
}

credentials* kept(const credentials& like) noexcept {
  for (credentials* c = sets; c != nullptr; c = c->next)
    if (same(*c, like)) return c;
  credentials* c = unused.take();
  if (c == nullptr) return nullptr;
  sys::copy(c, &like, sizeof like);
  c->uses = 0;
  c->next = sets;
  return sets = c;
}

void let_go(credentials& c) noexcept {
  if (--c.uses != 0) return;
  for (credentials** at = &sets; *at != nullptr; at = &(*at)->next)
    if (*at == &c) {
      *at = c.next;
      break;
    }
  unused.give(&c);
}

void drop_credentials(thread& t) noexcept {
  if (t.rare == nullptr || t.rare->credentials == nullptr) return;
  let_go(*t.rare->credentials);
  t.rare->credentials = nullptr;
  --different;
}

// All have come to the same, as when libc has each make the call: that is what is common from now on.
void settle() noexcept {
  if (different == alive && sets != nullptr && sets->next == nullptr) {
    sys::copy(&common, sets, sizeof common);
    each([](thread& t) { drop_credentials(t); });
  }
  hear_of_turns(*home);
}

}  // namespace

void end_credentials(thread& t) noexcept {
  if (more(t).credentials == nullptr) return;
  drop_credentials(t);
  if (different != 0) return;
  // Nobody runs, or one of those who have what is common: they hear of no turns any more.
  put_on(common);
  hear_of_turns(*home);
}

bool has_own_credentials(const thread& t) noexcept { return more(t).credentials != nullptr; }

void common_credentials_changed() noexcept {
  if (different != 0) look(common);
}

bool credentials_differ() noexcept { return different != 0; }

void share_credentials(thread& child, const thread& maker) noexcept {
  if (more(maker).credentials == nullptr || child.rare == nullptr) return;
  child.rare->credentials = maker.rare->credentials;
  ++child.rare->credentials->uses;
  ++different;
}

void put_on_credentials_of(const fiber_base* entering) noexcept {
  const thread* t = of(entering);
  if (t == nullptr) return;
  put_on(more(*t).credentials != nullptr ? *more(*t).credentials : common);
}

door_answer change_credentials(thread& t, door_answer (*call)(door_frame*, long) noexcept, door_frame* frame, long nr) noexcept {
  if (alive == 1 && different == 0) return call(frame, nr);
  credentials now;
  if (different == 0 && !look(common)) return call(frame, nr);
  const door_answer got = call(frame, nr);
  if (got.pass != 0 || got.result < 0 || !look(now)) return got;
  const credentials& before = more(t).credentials != nullptr ? *more(t).credentials : common;
  if (same(before, now)) return got;
  drop_credentials(t);
  if (!same(common, now) && make_more(t) != nullptr)
    if (credentials* c = kept(now); c != nullptr) {
      t.rare->credentials = c;
      ++c->uses;
      ++different;
    }
  settle();
  return got;
}

void credentials_in_child() noexcept {
  each([](thread& t) { drop_credentials(t); });
  hear_of_turns(*home);
}

namespace {

door_answer on_change(door_frame* f, long nr) noexcept {
  thread* t = caller();
  return t == nullptr ? below(f, nr) : change_credentials(*t, below, f, nr);
}

constexpr green_entry rows[] = {
    {SYS_setfsuid, on_change},
    {SYS_setfsgid, on_change},
};

}  // namespace

green_rows own_credential_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
