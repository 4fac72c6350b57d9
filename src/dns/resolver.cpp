#include "dns/resolver.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <unordered_map>

#include "core/hub_state.hpp"
#include "core/trace.hpp"
#include "dns/service_fiber.hpp"
#include "sys/features.hpp"
#include "sys/syscall.hpp"
#include "weft/io.hpp"

namespace weft::dns {

namespace {

// A socket's queue holds a few hundred answers before the kernel drops them, and a dropped one costs a timeout: so many queries
// share a channel (and its socket), more open another.
constexpr std::size_t most_in_channel = 128;

std::mutex all_lock;
std::unordered_map<detail::hub_state*, std::unique_ptr<resolver>> all;

verdict verdict_of(int status) {
  switch (status) {
  case ARES_SUCCESS: return verdict::ok;
  case ARES_ENODATA: return verdict::no_data;
  case ARES_ENOTFOUND: return verdict::not_found;
  case ARES_ESERVFAIL:
  case ARES_EREFUSED:
  case ARES_ENOTIMP:
  case ARES_EFORMERR:
  case ARES_EBADRESP: return verdict::refused;
  case ARES_EBADNAME:
  case ARES_EBADQUERY: return verdict::bad_name;
  case ARES_ENOMEM: return verdict::no_memory;
  default: return verdict::no_answer;  // ETIMEOUT, ECONNREFUSED, EOF, ECANCELLED, EDESTRUCTION
  }
}

}  // namespace

// What a fiber in ask() and the queries it sent share.
struct resolver::job {
  explicit job(std::size_t count) : replies(count), left(count) {}
  std::vector<reply> replies;
  std::size_t left;
  detail::waiter* parked = nullptr;
};

struct resolver::question {
  question(std::shared_ptr<job> j, std::size_t i) : of(std::move(j)), index(i) {}
  std::shared_ptr<job> of;
  std::size_t index;

  static void told(void* argument, int status, const unsigned char* message, std::size_t size) {
    const std::unique_ptr<question> q(static_cast<question*>(argument));
    job& j = *q->of;
    reply& r = j.replies[q->index];
    r.is = verdict_of(status);
    if (r.is == verdict::ok) r.message.assign(message, size);
    if (--j.left == 0 && j.parked != nullptr) detail::unpark(*j.parked);
  }
};

resolver::resolver(detail::hub& h, const cares& library)
    : home_(h), state_(&detail::hub_state::of(h)), library_(library) {
  state_->retain();
  state_->at_end.push_back([&h] { end(h); });
}

resolver::~resolver() {
  channels_.clear();
  state_->release();
}

resolver* resolver::of(detail::hub& h) {
  const cares* library = cares::get();
  if (library == nullptr) return nullptr;
  const std::lock_guard guard(all_lock);
  auto& mine = all[&detail::hub_state::of(h)];
  if (mine != nullptr) return mine.get();
  mine = std::make_unique<resolver>(h, *library);
  resolver* made = mine.get();
  // Those of hubs that are no more go now: fibers may look up names until the very end of their hub.
  std::erase_if(all, [](const auto& entry) { return entry.second->over(); });
  return made;
}

void resolver::end(detail::hub& h) {
  resolver* r;
  {
    const std::lock_guard guard(all_lock);
    const auto at = all.find(&detail::hub_state::of(h));
    if (at == all.end()) return;
    r = at->second.get();
  }
  r->ending_ = true;
  for (const auto& c : r->channels_) c->cancel();
  // The driver uses this object until it has ended; the cancelled fibers that are still in ask() do too.
  while (r->driving_ || r->asking_ > 0) {
    r->wake_driver();
    detail::waiter w("end of resolver");
    w.uncancellable = true;
    r->ended_ = &w;
    const detail::wake why = detail::park(h, w);
    r->ended_ = nullptr;
    if (why == detail::wake::deadlock) return;
  }
  r->channels_.clear();
}

bool resolver::over() const {
  const std::lock_guard guard(state_->lock);
  return state_->home == nullptr;
}

const resolv_conf& resolver::configuration() {
  const char* named = sys::env("WEFT_RESOLV_CONF");
  const bool own = named != nullptr && *named != '\0';
  const std::string path = own ? named : "/etc/resolv.conf";
  const file_stamp stamp = stamp_of(path);
  const long pid = sys::raw(SYS_getpid);
  if (pid_ == pid && path == conf_path_ && (stamp == conf_stamp_ || !conf_.reload)) return conf_;
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  resolv_conf fresh = parse_resolv_conf(read_file(path), own, host);
  apply_environment(fresh, std::getenv("LOCALDOMAIN"), std::getenv("RES_OPTIONS"));
  conf_ = std::move(fresh);
  conf_path_ = path;
  conf_stamp_ = stamp;
  // What is in flight ends where it began. After a fork the sockets are the parent's too, who would miss answers read here.
  const bool forked = pid_ != 0 && pid_ != pid;
  for (const auto& c : channels_) {
    c->stale = true;
    if (forked) c->cancel();
  }
  pid_ = pid;
  if (!driving_) drop_idle_channels();
  return conf_;
}

channel& resolver::channel_for(std::size_t queries) {
  configuration();
  for (const auto& c : channels_)
    if (!c->stale && c->in_flight() + queries <= most_in_channel) return *c;
  auto fresh = std::make_unique<channel>(library_, conf_);
  channels_.push_back(std::move(fresh));
  return *channels_.back();
}

detail::wake resolver::ask(const std::string& name, std::span<const int> types, std::vector<reply>& replies) {
  replies.assign(types.size(), reply{});
  if (ending_) return detail::wake::ready;
  // Started first: whatever fails below, what is in flight by then has somebody who receives the answers.
  if (!driving_) start_driver();
  const auto j = std::make_shared<job>(types.size());
  channel& c = channel_for(types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    auto q = std::make_unique<question>(j, i);
    c.query(name, types[i], &question::told, q.get());
    static_cast<void>(q.release());  // the answer's to delete, which may have come already
  }
  detail::wake why = detail::wake::ready;
  if (j->left > 0) {
    if (socket_version() != polled_version_) wake_driver();
    detail::waiter w("dns");
    j->parked = &w;
    ++asking_;
    {
      const core::trace::about_named told(home_, name.c_str());
      why = detail::park(home_, w);
    }
    --asking_;
    j->parked = nullptr;
    // Nobody is left who wants what is in flight.
    if (asking_ == 0 && driving_ && why != detail::wake::ready) wake_driver();
    if (ending_ && ended_ != nullptr) detail::unpark(*ended_);
  }
  if (why == detail::wake::ready) replies = std::move(j->replies);
  return why;
}

void resolver::start_driver() {
  driving_ = true;
  try {
    start_service_fiber(home_, "weft dns", [this] { drive(); });
  } catch (...) {
    driving_ = false;
    throw;
  }
}

void resolver::wake_driver() noexcept {
  if (poll_ != nullptr) poll_->cancel();
}

void resolver::drive() {
  std::vector<pollfd> sockets;
  std::vector<channel*> owners;
  while (in_flight() > 0) {
    if (asking_ == 0) {
      for (const auto& c : channels_) c->cancel();
      break;
    }
    // No longer than a query that starts meanwhile may take: it need not wake this fiber then.
    int timeout = conf_.timeout * 1000;
    sockets.clear();
    owners.clear();
    for (const auto& c : channels_) {
      if (c->in_flight() == 0) continue;
      timeout = std::min(timeout, c->timeout_ms(timeout));
      for (const channel::watched& s : c->sockets()) {
        const int events = (s.readable ? POLLIN : 0) | (s.writable ? POLLOUT : 0);
        sockets.push_back({s.fd, static_cast<short>(events), 0});
        owners.push_back(c.get());
      }
    }
    polled_version_ = socket_version();
    cancel_scope waiting;
    poll_ = &waiting;
    int reported = 0;
    try {
      waiting.run([&] { reported = weft::poll(sockets.data(), sockets.size(), timeout); });
      poll_ = nullptr;
    } catch (...) {
      // Nobody can wait for the answers any more: those who ask hear that there was none.
      poll_ = nullptr;
      for (const auto& c : channels_) c->cancel();
      break;
    }
    if (reported > 0) {
      for (std::size_t i = 0; i < sockets.size(); ++i) {
        const int seen = sockets[i].revents;
        if (seen == 0) continue;
        owners[i]->process((seen & ~POLLOUT) != 0 ? sockets[i].fd : ARES_SOCKET_BAD,
                           (seen & ~POLLIN) != 0 ? sockets[i].fd : ARES_SOCKET_BAD);
      }
    }
    // Timeouts of every channel, whatever was reported: a busy socket must not starve them.
    for (const auto& c : channels_)
      if (c->in_flight() > 0) c->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    drop_idle_channels();
  }
  driving_ = false;
  drop_idle_channels();
  if (ended_ != nullptr) detail::unpark(*ended_);
}

void resolver::drop_idle_channels() {
  std::erase_if(channels_, [](const auto& c) { return c->stale && c->in_flight() == 0; });
}

std::size_t resolver::in_flight() const noexcept {
  std::size_t sum = 0;
  for (const auto& c : channels_) sum += c->in_flight();
  return sum;
}

unsigned resolver::socket_version() const noexcept {
  unsigned sum = static_cast<unsigned>(channels_.size());
  for (const auto& c : channels_) sum += c->version();
  return sum;
}

}  // namespace weft::dns
