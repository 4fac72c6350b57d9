// libmemcached, and then nothing but stdio, in fibers of one OS thread against a real memcached behind a proxy that delays (proxy.py).
#include "together.hpp"

#include <arpa/inet.h>
#include <libmemcached/memcached.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <memory>

using weft_test::many;

namespace {

struct close_file {
  void operator()(std::FILE* f) const { std::fclose(f); }
};
using file = std::unique_ptr<std::FILE, close_file>;

file connect(const char* port = "WEFT_TEST_PORT") {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(weft_test::setting_number(port)));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) throw std::runtime_error("cannot connect");
  return file(fdopen(fd, "r+"));
}

std::string line(const file& f) {
  char text[4096];
  if (std::fgets(text, sizeof text, f.get()) == nullptr) return "(end)";
  const std::string whole = text;
  return whole.size() >= 2 && whole.ends_with("\r\n") ? whole.substr(0, whole.size() - 2) : "(cut) " + whole;
}

int most_in_flight() {
  const file f = connect();
  std::fprintf(f.get(), "PROXYSTATS\r\n");
  std::fflush(f.get());
  int most = -1;
  CHECK(std::sscanf(line(f).c_str(), "STAT most %d", &most) == 1);
  CHECK(line(f) == "END");
  return most;
}

}  // namespace

TEST_CASE("libmemcached: 100 fibers have 100 commands in flight at once and each gets its own answer") {
  const std::string server = "--SERVER=127.0.0.1:" + weft_test::setting("WEFT_TEST_PORT");
  most_in_flight();
  weft_test::together(many, [&](int i) {
    const std::unique_ptr<memcached_st, decltype(&memcached_free)> m(memcached(server.data(), server.size()), memcached_free);
    REQUIRE(m != nullptr);
    memcached_behavior_set(m.get(), MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 30'000);
    const std::string key = "library:" + std::to_string(i), value(static_cast<std::size_t>(i) * 40 + 1, static_cast<char>('a' + i % 26));
    REQUIRE(memcached_set(m.get(), key.data(), key.size(), value.data(), value.size(), 0, 0) == MEMCACHED_SUCCESS);
    std::size_t size = 0;
    std::uint32_t flags = 0;
    memcached_return_t status = MEMCACHED_FAILURE;
    char* found = memcached_get(m.get(), key.data(), key.size(), &size, &flags, &status);
    REQUIRE(status == MEMCACHED_SUCCESS);
    CHECK(std::string(found, size) == value);
    std::free(found);
    CHECK(memcached_delete(m.get(), key.data(), key.size(), 0) == MEMCACHED_SUCCESS);
    found = memcached_get(m.get(), key.data(), key.size(), &size, &flags, &status);
    CHECK(found == nullptr);
    CHECK(status == MEMCACHED_NOTFOUND);
  });
  CHECK(most_in_flight() == many);
}

TEST_CASE("stdio: 100 fibers talk by fprintf and fgets, all at once") {
  most_in_flight();
  weft_test::together(many, [](int i) {
    const file f = connect();
    const std::string value(static_cast<std::size_t>(i) * 30 + 1, static_cast<char>('A' + i % 26));
    // A stream of both directions wants an fseek or fflush between writing and reading.
    std::fprintf(f.get(), "set stdio:%d 0 0 %zu\r\n%s\r\n", i, value.size(), value.c_str());
    std::fflush(f.get());
    CHECK(line(f) == "STORED");
    std::fprintf(f.get(), "get stdio:%d\r\n", i);
    std::fflush(f.get());
    CHECK(line(f) == "VALUE stdio:" + std::to_string(i) + " 0 " + std::to_string(value.size()));
    CHECK(line(f) == value);
    CHECK(line(f) == "END");
    std::fputs("quit\r\n", f.get());
    std::fflush(f.get());
    CHECK(std::fgetc(f.get()) == EOF);
    CHECK(std::feof(f.get()) != 0);
  });
  CHECK(most_in_flight() == many);
}
