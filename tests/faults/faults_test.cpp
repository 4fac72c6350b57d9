// Weft under faults of the kernel (injector.hpp), each seed a different run: sockets and pipes, connection storms, timers, spawns and
// cancellations, closes while others wait, hubs that come and go. Every seed must end (no lost wake-up), every byte must arrive, and
// nothing may be left: no fiber, stack, timer or descriptor.
//
// WEFT_FAULT_SEEDS=n runs n seeds instead of 200; WEFT_FAULT_SEED=n repeats one.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "core/timer_queue.hpp"
#include "injector.hpp"
#include "io/offload.hpp"
#include "weft/weft.hpp"

using namespace std::chrono_literals;
using namespace weft_test;

namespace {

using bytes = std::vector<unsigned char>;

unsigned long long seed_in_work = 0;
std::atomic<pid_t> thread_in_work{0};

// A run that does not end has lost a wake-up: say whose.
void too_late(int) {
  end_faults();
  if (thread_in_work != ::gettid()) {
    ::tgkill(::getpid(), thread_in_work, SIGALRM);
    return;
  }
  std::fflush(stdout);  // a check that failed before
  std::fprintf(stderr, "seed %llu does not end:\n%s", seed_in_work, weft::run_info().c_str());
  std::_Exit(1);
}

// What a call may answer under faults and is then tried again.
bool passing(int error) {
  return error == EINTR || error == EAGAIN || error == ENOMEM || error == ENOBUFS || error == ENOSPC || error == EMFILE ||
         error == ENFILE || error == ECONNABORTED;
}

template <class Call>
long insist(Call call) {
  for (;;) {
    const long result = call();
    if (result >= 0 || !passing(errno)) return result;
    weft::this_fiber::yield();
  }
}

// Fibers that end together, as a task group's do, but one that got no stack (spawn, or its first turn, throws out_of_stacks) is
// started again.
class crew {
public:
  void spawn(std::function<void()> fn) {
    members_.push_back({std::move(fn), std::make_shared<bool>(false), {}});
    start(members_.back());
  }
  void cancel() {
    for (auto& m : members_) m.fiber.cancel();
    cancelled_ = true;
  }
  // Starts those again that got no stack. True when all are over.
  bool revive() {
    std::size_t over = 0;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (!members_[i].fiber.done()) continue;
      const std::exception_ptr e = members_[i].fiber.exception();
      if (e != nullptr && !*members_[i].begun && !cancelled_)
        start(members_[i]);
      else
        ++over, failure_ = failure_ != nullptr ? failure_ : e;
    }
    return over == members_.size();
  }
  // Throws the first failure, when all are over. Members may add others.
  void join() {
    while (!revive()) {
      weft::this_fiber::sleep_for(pause_);
      pause_ = std::min<std::chrono::microseconds>(pause_ * 2, 5ms);
    }
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

private:
  struct member {
    std::function<void()> fn;
    std::shared_ptr<bool> begun;
    weft::fiber<void> fiber;
  };
  static void start(member& m) {
    for (;;) try {
        m.fiber = weft::spawn([fn = m.fn, begun = m.begun] {
          *begun = true;
          fn();
        });
        return;
      } catch (const weft::out_of_stacks&) {
        weft::this_fiber::yield();
      }
  }

  std::deque<member> members_;
  bool cancelled_ = false;
  std::exception_ptr failure_;
  std::chrono::microseconds pause_{50};
};

bytes random_bytes(std::mt19937& random, std::size_t n) {
  bytes b(n);
  for (auto& c : b) c = static_cast<unsigned char>(random());
  return b;
}

void send_all(int fd, const bytes& all, std::mt19937& random, bool socket) {
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t n = std::min<std::size_t>(all.size() - at, 1 + random() % 20'000);
    const iovec parts[2] = {{const_cast<unsigned char*>(&all[at]), n / 2}, {const_cast<unsigned char*>(&all[at]) + n / 2, n - n / 2}};
    long sent;
    switch (random() % 3) {
      case 0: sent = insist([&] { return weft::write(fd, &all[at], n); }); break;
      case 1: sent = insist([&] { return weft::writev(fd, parts, 2); }); break;
      default: sent = insist([&] { return socket ? weft::send(fd, &all[at], n, MSG_NOSIGNAL) : weft::write(fd, &all[at], n); });
    }
    REQUIRE(sent > 0);
    at += static_cast<std::size_t>(sent);
  }
}

bytes receive(int fd, std::size_t size, std::mt19937& random, bool socket) {
  bytes all(size);
  for (std::size_t at = 0; at < size;) {
    const std::size_t n = std::min<std::size_t>(size - at, 1 + random() % 30'000);
    const iovec parts[2] = {{&all[at], n / 2}, {&all[at] + n / 2, n - n / 2}};
    long got;
    switch (random() % 3) {
      case 0: got = insist([&] { return weft::read(fd, &all[at], n); }); break;
      case 1: got = insist([&] { return weft::readv(fd, parts, 2); }); break;
      default: got = insist([&] { return socket ? weft::recv(fd, &all[at], n, 0) : weft::read(fd, &all[at], n); });
    }
    REQUIRE(got > 0);
    at += static_cast<std::size_t>(got);
  }
  return all;
}

void close_pair(const int* ends) {
  weft::close(ends[0]);
  weft::close(ends[1]);
}

// ---- the workloads

// Bytes there, checked, and back, over Unix sockets, TCP or a pair of pipes.
void ping_pong(crew& group, unsigned seed) {
  std::mt19937 random(seed);
  int there[2], back[2];
  const bool sockets = random() % 3 != 0;
  if (sockets) {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, there) == 0);
    back[0] = there[0];
    back[1] = there[1];
  } else {
    REQUIRE(::pipe2(there, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(back, O_CLOEXEC) == 0);
    std::swap(there[0], there[1]);  // written at [0], read at [1], as the socket pair is
  }
  const bytes all = random_bytes(random, 50'000 + random() % 150'000);
  group.spawn([=] {
    std::mt19937 mine(seed + 1);
    send_all(there[0], all, mine, sockets);
    CHECK(receive(back[0], all.size(), mine, sockets) == all);
    weft::close(there[0]);
    if (!sockets) weft::close(back[0]);
  });
  group.spawn([=] {
    std::mt19937 mine(seed + 2);
    const bytes got = receive(there[1], all.size(), mine, sockets);
    CHECK(got == all);
    send_all(back[1], got, mine, sockets);
    weft::close(there[1]);
    if (!sockets) weft::close(back[1]);
  });
}

// Clients that connect at once, to a server that accepts while descriptors and memory run out.
void storm(crew& group, unsigned seed) {
  constexpr int clients = 12;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  REQUIRE(::listen(listener, 64) == 0);
  group.spawn([=, &group] {
    for (int i = 0; i < clients; ++i) {
      const long fd = insist([&] { return weft::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); });
      REQUIRE(fd >= 0);
      group.spawn([=] {
        std::mt19937 mine(seed + static_cast<unsigned>(fd));
        send_all(static_cast<int>(fd), receive(static_cast<int>(fd), 3'000, mine, true), mine, true);
        weft::close(static_cast<int>(fd));
      });
    }
    weft::close(listener);
  });
  for (unsigned i = 0; i < clients; ++i)
    group.spawn([=] {
      std::mt19937 mine(seed + 1'000 + i);
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      // On the same socket again: the connection may have come although the wait for it failed.
      while (weft::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 && errno != EISCONN) {
        REQUIRE((passing(errno) || errno == EALREADY));
        weft::this_fiber::yield();
      }
      const bytes all = random_bytes(mine, 3'000);
      send_all(fd, all, mine, true);
      CHECK(receive(fd, all.size(), mine, true) == all);
      weft::close(fd);
    });
}

// Waits with and without deadlines that cut in.
void timers(crew& group, unsigned seed) {
  for (unsigned i = 0; i < 10; ++i)
    group.spawn([=] {
      std::mt19937 mine(seed + i);
      weft::event never;
      for (int k = 0; k < 5; ++k) {
        weft::this_fiber::sleep_for(std::chrono::microseconds(mine() % 2'000));
        CHECK_FALSE(never.wait_for(std::chrono::microseconds(mine() % 1'000)));
      }
    });
}

// Fibers that are cancelled in the middle of a wait for bytes; what they would have read stays.
void cancellations(crew& group, unsigned seed) {
  group.spawn([=] {
    std::mt19937 mine(seed);
    for (int k = 0; k < 8; ++k) {
      int ends[2];
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
      bool read_it = false;
      crew waiting;
      waiting.spawn([&] {
        char c;
        if (insist([&] { return weft::recv(ends[1], &c, 1, 0); }) == 1) read_it = true;
      });
      if (mine() % 2 != 0) weft::this_fiber::sleep_for(std::chrono::microseconds(mine() % 300));
      const bool sent = mine() % 2 != 0;
      if (sent) REQUIRE(insist([&] { return weft::send(ends[0], "x", 1, MSG_NOSIGNAL); }) == 1);
      if (!sent || mine() % 2 != 0) waiting.cancel();
      waiting.join();
      // The byte is in one place.
      char c;
      const bool left = ::recv(ends[1], &c, 1, MSG_DONTWAIT) == 1;
      CHECK(left + read_it == sent);
      close_pair(ends);
    }
  });
}

// A descriptor is closed under those who wait on it: each is told.
void closes(crew& group, unsigned seed) {
  group.spawn([=] {
    std::mt19937 mine(seed);
    for (int k = 0; k < 5; ++k) {
      int ends[2];
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
      int begun = 0, told = 0;
      bool closed = false;
      crew readers;
      for (int i = 0; i < 3; ++i)
        readers.spawn([&] {
          char c;
          ++begun;
          // Not tried again after the close: the number may be somebody else's by then.
          const long got = insist([&] { return closed ? (errno = EBADF, ssize_t{-1}) : weft::recv(ends[1], &c, 1, 0); });
          told += got == -1 && errno == EBADF;
        });
      while (begun < 3) readers.revive(), weft::this_fiber::yield();
      weft::this_fiber::sleep_for(std::chrono::microseconds(mine() % 500));
      closed = true;
      weft::close(ends[1]);
      readers.join();
      CHECK(told == 3);
      weft::close(ends[0]);
    }
  });
}

// Files on disk: written and read back.
void files(crew& group, unsigned seed) {
  group.spawn([=] {
    std::mt19937 mine(seed);
    char name[] = "/tmp/weft-faults-XXXXXX";
    const int fd = ::mkostemp(name, O_CLOEXEC);
    REQUIRE(fd >= 0);
    ::unlink(name);
    const bytes all = random_bytes(mine, 100'000);
    send_all(fd, all, mine, false);
    REQUIRE(::lseek(fd, 0, SEEK_SET) == 0);
    CHECK(receive(fd, all.size(), mine, false) == all);
    // By the ring, or by a thread where there is none.
    const auto offloaded = [](const weft::io::offload_call& call) {
      const long result = weft::io::offload(weft::detail::current_hub(), call, weft::io::never, "file", weft::io::offload_kind::brief);
      if (result >= 0) return result;
      errno = static_cast<int>(-result);
      return -1L;
    };
    for (std::size_t at = 0; at < all.size(); at += 10'000) {
      bytes part(10'000);
      REQUIRE(insist([&] { return offloaded(weft::io::call_of(SYS_pread64, fd, part.data(), part.size(), at)); }) == 10'000);
      CHECK(std::equal(part.begin(), part.end(), all.begin() + static_cast<long>(at)));
      REQUIRE(insist([&] { return offloaded(weft::io::call_of(SYS_pwrite64, fd, part.data(), part.size(), at)); }) == 10'000);
    }
    CHECK(insist([&] { return offloaded(weft::io::call_of(SYS_fsync, fd)); }) == 0);
    weft::close(fd);
  });
}

// More fibers at once than a hub has stacks in store; half of them are cancelled, some before they have begun.
void spawns(crew& group, unsigned seed) {
  group.spawn([=] {
    std::mt19937 mine(seed);
    int ended = 0, cancelled = 0;
    crew sleepers, doomed;
    for (int i = 0; i < 60; ++i) {
      sleepers.spawn([&] {
        weft::this_fiber::sleep_for(std::chrono::microseconds(mine() % 1'000));
        ++ended;
      });
      doomed.spawn([&] {
        try {
          weft::this_fiber::sleep_for(1h);
        } catch (const weft::cancelled&) {
          ++cancelled;
          throw;
        }
      });
    }
    if (mine() % 2 != 0) weft::this_fiber::sleep_for(std::chrono::microseconds(mine() % 1'000));
    doomed.cancel();
    doomed.join();
    sleepers.join();
    CHECK(ended == 60);
    CHECK(cancelled <= 60);
  });
}

// ---- the run

int open_descriptors() {
  int n = 0;
  DIR* d = ::opendir("/proc/self/fd");
  while (::readdir(d) != nullptr) ++n;
  ::closedir(d);
  return n;
}

std::string descriptors_text() {
  std::string text;
  DIR* d = ::opendir("/proc/self/fd");
  while (const dirent* e = ::readdir(d)) {
    char target[200] = {};
    if (::readlink(("/proc/self/fd/" + std::string(e->d_name)).c_str(), target, sizeof target - 1) > 0)
      text += std::string(e->d_name) + " -> " + target + "\n";
  }
  ::closedir(d);
  return text;
}

void everything(unsigned seed) {
  std::mt19937 random(seed);
  thread_in_work = ::gettid();
  crew group;
  for (unsigned i = 0; i < 3; ++i) ping_pong(group, seed + i * 10);
  if (random() % 2 != 0) storm(group, seed + 100);
  timers(group, seed + 200);
  cancellations(group, seed + 300);
  closes(group, seed + 400);
  if (random() % 2 != 0) files(group, seed + 500);
  spawns(group, seed + 600);
  group.join();
}

// On the calling thread's hub.
void run_and_count(unsigned seed, std::uint32_t one_in, std::uint32_t kinds) {
  const auto before = weft::this_hub().stats();
  begin_faults(seed, one_in, kinds);
  everything(seed);
  end_faults();
  const auto after = weft::this_hub().stats();
  CHECK(after.fibers == before.fibers);
  CHECK(after.timers == before.timers);
  CHECK(after.stacks == before.stacks);
}

// On a hub of its own, which may fail to come up, but then cleanly.
void run_on_new_hub(unsigned seed, std::uint32_t one_in, std::uint32_t kinds) {
  std::thread([=] {
    begin_faults(seed, one_in, kinds);
    for (;;) try {
        weft::hub::current();
        break;
      } catch (const std::system_error& e) {
        CHECK(passing(e.code().value()));
      }
    everything(seed);
    const auto after = weft::this_hub().stats();
    CHECK(after.fibers == 1);
    CHECK(after.timers == 0);
    CHECK(after.stacks == 0);
  }).join();
  end_faults();  // its end, too, was under faults
}

void run_seed(unsigned seed, std::uint32_t one_in, std::uint32_t kinds) {
  seed_in_work = seed;
  INFO("WEFT_FAULT_SEED=", seed);
  const int descriptors = open_descriptors();
  ::alarm(50);
  if (seed % 2 != 0)
    run_and_count(seed, one_in, kinds);
  else
    run_on_new_hub(seed, one_in, kinds);
  ::alarm(0);
  const std::string left = descriptors_text();
  INFO(left);
  CHECK(open_descriptors() <= descriptors);
}

unsigned long number(const char* name, unsigned long otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoul(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("under random faults of the kernel nothing hangs, nothing is lost, nothing is left") {
  ::signal(SIGALRM, too_late);
  ::signal(SIGPIPE, SIG_IGN);
  // Once without faults, so that what a hub keeps for good is there.
  everything(1);
  const unsigned long one = number("WEFT_FAULT_SEED", 0);
  const unsigned long first = one != 0 ? one : 1, last = one != 0 ? one : number("WEFT_FAULT_SEEDS", 200);
  for (unsigned long seed = first; seed <= last; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    const std::uint32_t one_in[] = {4, 16, 64};
    // Half of the seeds have one or two kinds of faults, so that rare ones are not drowned by frequent ones.
    std::uint32_t kinds = all_faults;
    if (random() % 2 != 0) kinds = 1u << random() % 6 | interruptions << random() % 3;
    run_seed(static_cast<unsigned>(seed), one_in[random() % 3], kinds);
  }
  if (one != 0) return;
  const char* without = std::getenv("WEFT_WITHOUT");
  const bool ring = without == nullptr || std::strstr(without, "uring") == nullptr;
  for (const faults kind : {interruptions, would_block, short_transfers, no_memory, no_descriptors, no_ring}) {
    INFO("kind ", kind);
    CHECK((injected(kind) > 0 || (kind == no_ring && !ring)));
  }
}

TEST_CASE("timers for which there is no memory are late in nothing") {
  struct ringing : weft::detail::timer_node {
    std::vector<ringing*>* rung;
  };
  std::mt19937 random(7);
  std::vector<ringing> timers(5'000);
  std::vector<ringing*> rung, expected;
  auto queue = std::make_unique<weft::core::timer_queue>();
  weft::detail::nanos now = 1'000'000'000;
  queue->start(now);
  begin_faults(1, 1, no_memory);  // no memory at all
  for (std::size_t i = 0; i < timers.size(); ++i) {
    if (i == 2'500) end_faults();
    if (i == 2'600) begin_faults(1, 1, no_memory);
    timers[i].rung = &rung;
    timers[i].fire = [](weft::detail::timer_node* t) noexcept {
      auto* r = static_cast<ringing*>(t);
      r->rung->push_back(r);
    };
    queue->arm(timers[i], now + random() % 3'000'000'000);
  }
  for (std::size_t i = 0; i < timers.size(); i += 3) queue->disarm(timers[i]);
  for (std::size_t i = 0; i < timers.size(); ++i)
    if (i % 3 != 0) expected.push_back(&timers[i]);
  std::sort(expected.begin(), expected.end(), [](auto* a, auto* b) { return a->deadline < b->deadline; });
  CHECK(queue->size() == expected.size());
  for (std::size_t fired = 0; fired < expected.size(); now += 100'000'000) {
    CHECK(queue->next_deadline() == expected[fired]->deadline);
    fired += queue->expire(now);
    REQUIRE((fired == expected.size() || expected[fired]->deadline > now));
    REQUIRE(rung.size() == fired);
    REQUIRE((rung.empty() || rung.back()->deadline <= now));
  }
  end_faults();
  std::sort(rung.begin(), rung.end(), [](auto* a, auto* b) { return a->deadline < b->deadline; });
  CHECK((rung == expected));
  CHECK(queue->empty());
}
