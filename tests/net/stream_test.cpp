// Streams and listeners on loopback and Unix sockets: reading, writing, ends, errors, cancellation.
#include <doctest/doctest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <system_error>

#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/listener.hpp"
#include "weft/stream.hpp"

using namespace std::chrono_literals;
using weft::endpoint;
using weft::listener;
using weft::stream;

namespace {

// The errno that fn() fails with; 0 when it does not.
template <class F>
int error_of(F fn) {
  try {
    fn();
  } catch (const std::system_error& e) {
    return e.code().value();
  }
  return 0;
}

}  // namespace

TEST_CASE("a client and a server exchange bytes over TCP") {
  listener l("127.0.0.1", 0);
  CHECK(l.local_endpoint().port() != 0);
  auto server = weft::spawn([&] {
    stream s = l.accept();
    const std::string request = s.read_exactly(5);
    s.write_all("you said " + request);
    s.shutdown_write();
    return s.read_all();
  });
  stream c = stream::connect(l.local_endpoint());
  CHECK(c.peer_endpoint() == l.local_endpoint());
  c.set_nodelay();
  c.write_all("hello");
  CHECK(c.read_all() == "you said hello");
  c.write_all("bye");
  c.close();
  CHECK(server.get() == "bye");
}

TEST_CASE("connect by name tries every address of the name") {
  listener l("localhost", 0);
  stream c = stream::connect("localhost", l.local_endpoint().port());
  stream s = l.accept();
  s.write_all("x");
  CHECK(c.read_exactly(1) == "x");
  CHECK_THROWS_AS(stream::connect("localhost", "no-such-service"), weft::resolve_error);
}

TEST_CASE("a listener on an empty host takes IPv4 peers") {
  listener l("", 0);
  stream c = stream::connect(endpoint::ip("127.0.0.1", l.local_endpoint().port()));
  CHECK(l.accept_from().second.port() == c.local_endpoint().port());
}

TEST_CASE("a refused connection names the peer and the errno") {
  int port;
  {
    listener l("127.0.0.1", 0);
    port = l.local_endpoint().port();
  }
  try {
    stream::connect(endpoint::ip("127.0.0.1", static_cast<std::uint16_t>(port)));
    FAIL("connected to nobody");
  } catch (const std::system_error& e) {
    CHECK(e.code().value() == ECONNREFUSED);
    CHECK(std::string(e.what()).find("connect to 127.0.0.1:" + std::to_string(port)) != std::string::npos);
  }
}

TEST_CASE("a port that is taken is an error that names it") {
  listener l("127.0.0.1", 0);
  CHECK(error_of([&] { listener second(l.local_endpoint()); }) == EADDRINUSE);
}

TEST_CASE("Unix sockets work alike, by path and in the abstract space") {
  char folder[] = "/tmp/weft-stream-XXXXXX";
  REQUIRE(mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/socket";
  for (const endpoint& at : {endpoint::unix_path(path), endpoint::unix_path("@weft-test-" + std::to_string(getpid()))}) {
    listener l(at);
    CHECK(l.local_endpoint() == at);
    stream c = stream::connect(at);
    stream s = l.accept();
    c.write_all("over a path");
    CHECK(s.read_some() == "over a path");
  }
  unlink(path.c_str());
  rmdir(folder);
}

TEST_CASE("lines and separators are found across packets, and what follows stays") {
  auto [a, b] = stream::pair();
  auto reader = weft::spawn([&b = b] {
    std::string seen;
    seen += *b.read_line() + "|";
    seen += b.read_until("\r\n\r\n") + "|";
    seen += b.read_exactly(3) + "|";
    seen += b.read_some(2) + "|";
    seen += *b.read_line() + "|";
    seen += b.read_line() ? "more" : "end";
    return seen;
  });
  for (const char* part : {"fir", "st\r", "\nhead: 1\r", "\n\r\nbod", "yxx", "last"}) {
    a.write_all(part);
    weft::this_fiber::yield();
  }
  a.close();
  const std::string seen = reader.get();
  // How much read_some gets depends on what has come: everything else does not.
  CHECK(seen.starts_with("first|head: 1\r\n\r\n|bod|"));
  CHECK(seen.ends_with("|end"));
}

TEST_CASE("a stream that ends early says what had come") {
  auto [a, b] = stream::pair();
  a.write_all("abc");
  a.close();
  try {
    b.read_exactly(5);
    FAIL("five bytes out of three");
  } catch (const weft::end_of_stream& e) {
    CHECK(e.partial() == "abc");
  }
  auto [c, d] = stream::pair();
  c.write_all("no end");
  c.close();
  try {
    d.read_until("\n");
    FAIL("a separator out of nowhere");
  } catch (const weft::end_of_stream& e) {
    CHECK(e.partial() == "no end");
  }
  CHECK(d.read_some() == "");
}

TEST_CASE("a line beyond the limit is refused and stays readable") {
  auto [a, b] = stream::pair();
  a.write_all("123456789\nrest");
  CHECK_THROWS_AS(b.read_until("\n", 9), weft::line_too_long);
  CHECK(b.read_until("\n", 10) == "123456789\n");
  CHECK(b.read_some() == "rest");
  CHECK_THROWS_AS(b.read_until(""), std::invalid_argument);
}

TEST_CASE("writing more than the buffers hold parks until the peer reads") {
  auto [a, b] = stream::pair();
  const std::string much(4 << 20, 'm');
  auto writer = weft::spawn([&a = a, &much] {
    a.write_all(much);
    a.shutdown_write();
  });
  weft::this_fiber::yield();
  CHECK_FALSE(writer.done());
  CHECK(b.read_all() == much);
  writer.get();
}

TEST_CASE("writing to a peer that is gone is EPIPE, not a signal") {
  auto [a, b] = stream::pair();
  b.close();
  CHECK(error_of([&a = a] { a.write_all("x"); }) == EPIPE);
}

TEST_CASE("a fiber parked on a stream that is closed wakes with EBADF") {
  auto [a, b] = stream::pair();
  auto reader = weft::spawn([&b = b] { return error_of([&] { b.read_some(); }); });
  weft::this_fiber::yield();
  b.close();
  CHECK(reader.get() == EBADF);
}

TEST_CASE("a timeout cuts a read off, and the stream works on") {
  auto [a, b] = stream::pair();
  CHECK_FALSE(weft::move_on_after(1ms, [&b = b] { b.read_some(); }));
  a.write_all("late");
  CHECK(b.read_some() == "late");
}

TEST_CASE("a cancelled accept leaves the listener usable") {
  listener l("127.0.0.1", 0);
  auto waiting = weft::spawn([&] { l.accept(); });
  weft::this_fiber::yield();
  waiting.kill();
  CHECK(waiting.was_cancelled());
  stream c = stream::connect(l.local_endpoint());
  CHECK(l.accept().fd() >= 0);
}

TEST_CASE("release gives the descriptor away") {
  auto [a, b] = stream::pair();
  const int fd = a.release();
  CHECK_FALSE(a);
  CHECK(::close(fd) == 0);
  CHECK(b.read_some() == "");
}
