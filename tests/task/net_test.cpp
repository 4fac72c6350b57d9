// co_await of streams, listeners, datagrams, files, processes, look-ups, signals and pools of threads; cancelled at each of their park
// points.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "park_points.hpp"

using namespace std::chrono_literals;
using namespace park_points;
using weft::task;
namespace async = weft::async;

namespace {

const weft::endpoint anywhere = weft::endpoint::ip("127.0.0.1", 0);

struct temporary {
  std::string path;
  temporary() {
    char name[] = "/tmp/weft-task-file-XXXXXX";
    ::close(mkstemp(name));
    path = name;
  }
  ~temporary() { ::unlink(path.c_str()); }
};

}  // namespace

TEST_CASE("a client and a server of tasks exchange lines, exact counts and the rest") {
  weft::listener at(anywhere);
  auto server = weft::spawn([&]() -> task<> {
    auto s = co_await async::accept(at);
    while (auto line = co_await async::read_line(s)) {
      if (line->empty()) break;
      co_await async::write_all(s, *line + "\n");
    }
    const std::string five = co_await async::read_exactly(s, 5);
    co_await async::write_all(s, five);
    const std::string rest = co_await async::read_all(s);
    co_await async::write_all(s, rest);
  });
  const std::string big(1 << 20, 'x');
  weft::await([](std::uint16_t port, const std::string& big) -> task<> {
    auto s = co_await async::connect("127.0.0.1", port);
    co_await async::write_all(s, "one\r\ntwo\n\n12345");
    auto line = co_await async::read_line(s);
    CHECK(line == "one");
    const std::string two = co_await async::read_until(s, "\n");
    CHECK(two == "two\n");
    const std::string five = co_await async::read_exactly(s, 5);
    CHECK(five == "12345");
    co_await async::write_all(s, big);
    s.shutdown_write();
    const std::string back = co_await async::read_all(s);
    CHECK(back == big);
    line = co_await async::read_line(s);
    CHECK_FALSE(line.has_value());
  }(at.local_endpoint().port(), big));
  server.get();
}

TEST_CASE("a stream's reader goes on where the other style stopped") {
  auto [a, b] = weft::stream::pair();
  a.write_all("first\nsecond\nthird\n");
  CHECK(b.read_line() == "first");
  weft::await([](weft::stream& s) -> task<> {
    const auto line = co_await async::read_line(s);
    CHECK(line == "second");
  }(b));
  CHECK(b.read_line() == "third");
}

TEST_CASE("streams of tasks fail as those of fibers do") {
  auto [a, b] = weft::stream::pair();
  a.write_all("abc");
  a.close();
  weft::await([](weft::stream& s) -> task<> {
    bool ended = false;
    try {
      co_await async::read_exactly(s, 5);
    } catch (const weft::end_of_stream& e) {
      ended = e.partial() == "abc";
    }
    CHECK(ended);
    CHECK_THROWS_AS(co_await async::write_all(s, "x"), std::system_error);
    CHECK_THROWS_AS(co_await async::read_until(s, ""), std::invalid_argument);
  }(b));
  weft::listener gone(anywhere);
  const auto nobody = gone.local_endpoint();
  gone.close();
  CHECK_THROWS_AS(weft::await(async::connect(nobody)), std::system_error);
  CHECK_THROWS_AS(weft::await([]() -> task<> { co_await async::resolve("no.such.name.invalid.", 80); }()), weft::resolve_error);
}

TEST_CASE("tasks write into pipes and read from them, more than a pipe holds") {
  int fds[2];
  REQUIRE(weft::pipe2(fds, O_CLOEXEC) == 0);
  weft::stream in(fds[0]), out(fds[1]);
  auto writer = weft::spawn([&]() -> task<> {
    co_await async::write_all(out, std::string(300'000, 'p'));
    out.close();
  });
  const std::string all = weft::await(async::read_all(in));
  CHECK(all == std::string(300'000, 'p'));
  writer.get();
}

TEST_CASE("tasks send and receive datagrams") {
  weft::datagram_socket a(anywhere), b(anywhere);
  auto echo = weft::spawn([&]() -> task<> {
    auto got = co_await async::receive_from(b);
    co_await async::send_to(b, got.second, got.first + got.first);
  });
  weft::await([](weft::datagram_socket& s, weft::endpoint to) -> task<> {
    co_await async::send_to(s, to, "ab");
    s.connect(to);
    const auto got = co_await async::receive_from(s, 3);
    CHECK(got.first == "aba");
    CHECK(got.second == to);
    co_await async::send(s, "z");
  }(a, b.local_endpoint()));
  echo.get();
  CHECK(b.receive_from().first == "z");
}

TEST_CASE("tasks read and write files, at the position and elsewhere") {
  const temporary t;
  weft::await([](const std::string& path) -> task<> {
    co_await async::write_file(path, "0123456789");
    auto f = co_await async::open(path, O_RDWR);
    char part[16];
    std::size_t n = co_await async::read(f, part, 4);
    CHECK(std::string(part, n) == "0123");
    n = co_await async::read_at(f, 7, part, sizeof part);
    CHECK(std::string(part, n) == "789");
    co_await async::write(f, "xy");
    co_await async::write_at(f, 8, "zz");
    co_await async::datasync(f);
    co_await async::truncate(f, 9);
    co_await async::sync(f);
    n = co_await async::read_at(f, 9, part, 1);
    CHECK(n == 0);
    const std::string all = co_await async::read_file(path);
    CHECK(all == "0123xy67z");
    auto closed = co_await async::open(path);
    CHECK_THROWS_AS(co_await async::write(closed, "no"), std::system_error);
    CHECK_THROWS_AS(co_await async::open(path + ".none"), std::system_error);
  }(t.path));
}

TEST_CASE("tasks run programs, wait for them and talk with them") {
  weft::await([]() -> task<> {
    std::vector<std::string> sort;
    sort.push_back("sort");
    const auto sorted = co_await async::run_process(sort, "b\na\n");
    CHECK(sorted.out == "a\nb\n");
    std::vector<std::string> cat;
    cat.push_back("cat");
    weft::process p(cat, {.in = weft::redirect::pipe(), .out = weft::redirect::pipe()});
    const auto early = co_await async::wait_for(p, 1ms);
    CHECK_FALSE(early.has_value());
    const auto out = co_await async::communicate(p, "text");
    CHECK(out.out == "text");
    const auto status = co_await async::wait(p);
    CHECK(status.success());
    weft::process dropped(cat, {.in = weft::redirect::pipe(), .out = weft::redirect::null()});  // killed and collected in a coroutine
  }());
}

TEST_CASE("tasks have functions run by threads and processes") {
  weft::thread_pool threads(1);
  weft::process_pool processes(1);
  weft::await([](weft::thread_pool& threads, weft::process_pool& processes) -> task<> {
    // Forks first: then no thread holds a lock of ASan's.
    const int three = co_await async::apply(processes, [](int n) { return n + 1; }, 2);
    CHECK(three == 3);
    const std::string text = co_await async::run_in_process([](std::string s) { return s + "!"; }, std::string("there"));
    CHECK(text == "there!");
    const int two = co_await async::apply(threads, [](int n) { return n + 1; }, 1);
    CHECK(two == 2);
    CHECK_THROWS_AS(co_await async::apply(threads, [] { throw std::out_of_range("there"); }), std::out_of_range);
  }(threads, processes));
}

TEST_CASE("a task waits for a signal, or for a time") {
  weft::testing::virtual_clock clock;
  auto t = weft::spawn([]() -> task<int> {
    weft::signal_receiver r(SIGUSR1);
    const auto none = co_await async::wait_for(r, 1ms);
    CHECK_FALSE(none.has_value());
    const int number = co_await async::wait(r);
    co_return number;
  });
  weft::this_fiber::sleep_for(2ms);
  ::kill(::getpid(), SIGUSR1);
  CHECK(t.get() == SIGUSR1);
  const auto late = weft::await(async::signal_wait_for(SIGUSR2, 1ms));
  CHECK_FALSE(late.has_value());
}

namespace {

// Bytes come and go in pieces, and connections are made and taken.
struct streams_world : watched {
  weft::stream a, b;
  weft::listener at{anywhere};
  streams_world() { std::tie(a, b) = weft::stream::pair(); }
  void work() {
    for (const char* part : {"lin", "e\nab", "c", "de", "f"}) {
      pace();
      a.write_all(part);
    }
    pace();
    auto connection = weft::stream::connect(at.local_endpoint());
    char part[65536];
    for (;;) {
      pace();
      ssize_t n = ::recv(a.fd(), part, sizeof part, MSG_DONTWAIT);
      static_cast<void>(n);
    }
  }
  task<> awaited() {
    const counted here;
    const auto line = co_await async::read_line(b);
    CHECK(line == "line");
    const std::string six = co_await async::read_exactly(b, 6);
    CHECK(six == "abcdef");
    {
      const auto connection = co_await async::accept(at);
      CHECK(connection);
    }
    co_await async::write_all(b, std::string(600'000, 'x'));
    const bool readable = co_await async::wait_readable(b.fd(), 20us);
    CHECK_FALSE(readable);
  }
  void blocking() {
    const counted here;
    // Not inside the macros, which catch what ends a wait.
    const auto line = b.read_line();
    CHECK(line == "line");
    const std::string six = b.read_exactly(6);
    CHECK(six == "abcdef");
    {
      const weft::stream connection = at.accept();
      CHECK(static_cast<bool>(connection));
    }
    b.write_all(std::string(600'000, 'x'));
    const bool readable = weft::wait_readable(b.fd(), 20us);
    CHECK_FALSE(readable);
  }
  void clean() { CHECK((a && b && at)); }
};

struct others_world : watched {
  weft::datagram_socket d{anywhere};
  weft::signal_receiver signals{SIGUSR1};
  void work() {
    weft::datagram_socket from(anywhere);
    pace();
    from.send_to(d.local_endpoint(), "x");
    pace();
    pace();
    for (;;) {
      ::kill(::getpid(), SIGUSR1);
      pace();
    }
  }
  task<> awaited() {
    const counted here;
    const auto got = co_await async::receive_from(d);
    CHECK(got.first == "x");
    co_await async::wait(signals);
    co_await async::wait(signals);
  }
  void blocking() {
    const counted here;
    const auto got = d.receive_from();
    CHECK(got.first == "x");
    signals.wait();
    signals.wait();
  }
  void clean() {
    while (signals.try_wait()) {
    }
  }
};

// What works elsewhere: when it is done is not ours to say.
struct elsewhere_world : idle {
  weft::thread_pool& threads = weft::default_thread_pool();
  temporary t;
  task<> awaited() {
    const counted here;
    const int one = co_await async::apply(threads, [] { return 1; });
    CHECK(one == 1);
    co_await async::write_file(t.path, "text");
    auto f = co_await async::open(t.path, O_RDWR);
    co_await async::write_at(f, 100'000, "end");
    co_await async::sync(f);
    const auto addresses = co_await async::resolve("localhost", 80);
    CHECK_FALSE(addresses.empty());
    std::vector<std::string> argv;
    argv.push_back("cat");
    const auto out = co_await async::run_process(argv, "abc");
    CHECK(out.out == "abc");
  }
};

}  // namespace

TEST_CASE("streams and listeners, cancelled at each park point") {
  in_all_ways<streams_world>([](const found& f) {
    CHECK(f.points >= 6);
    CHECK(f.cancelled > f.points / 2);
  });
}

TEST_CASE("datagrams and signals, cancelled at each park point") {
  in_all_ways<others_world>([](const found& f) { CHECK(f.points >= 3); });
}

TEST_CASE("threads, files, look-ups and processes, cancelled at the park points that show") {
  const auto check = [](const found& f) { CHECK(f.points >= 1); };
  SUBCASE("as a task") {
    check(at_every_park_point<elsewhere_world>([](elsewhere_world& w) { return weft::spawn([&w]() -> task<> {
      w.begin();
      return w.awaited();
    }); }));
  }
  SUBCASE("as a task that a fiber awaits") {
    check(at_every_park_point<elsewhere_world>([](elsewhere_world& w) { return weft::spawn([&w] {
      w.begin();
      weft::await(w.awaited());
    }); }));
  }
}
