// The test DNS server, seen by a plain socket: a helper that answers wrongly would make the resolver's tests lie.
#include "dns_message.hpp"
#include "dns_process.hpp"
#include "dns_zone.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

using namespace weft_test;
using namespace weft_test::dns;

namespace {

std::string query(std::uint16_t id, const std::string& name, type asked) {
  std::string m;
  for (const unsigned field : {unsigned{id}, 0x0100u, 1u, 0u, 0u, 0u}) put16(m, field);
  put_name(m, name);
  put16(m, static_cast<unsigned>(asked));
  put16(m, 1);
  return m;
}

class client {
public:
  client(int port, int kind) : socket_(socket(AF_INET, kind | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  }
  client(const client&) = delete;
  client& operator=(const client&) = delete;
  ~client() { close(socket_); }
  void send(const std::string& m) { REQUIRE(::send(socket_, m.data(), m.size(), 0) == static_cast<ssize_t>(m.size())); }
  std::string receive() {
    char buffer[65536];
    const ssize_t got = recv(socket_, buffer, sizeof buffer, 0);
    REQUIRE(got > 0);
    return {buffer, static_cast<std::size_t>(got)};
  }

private:
  int socket_;
};

struct header { unsigned id, flags, answers; };

header header_of(const std::string& m) {
  reader in(m);
  header h{};
  h.id = in.u16();
  h.flags = in.u16();
  in.u16();
  h.answers = in.u16();
  return h;
}

}  // namespace

TEST_CASE("records answer A, AAAA and PTR, and a missing type is NODATA, not NXDOMAIN") {
  dns_process server({"--record", "One.Test=127.0.0.9", "--record", "six.test=::9"});
  client udp(server.port(), SOCK_DGRAM);
  udp.send(query(7, "ONE.test", type::a));
  const std::string a = udp.receive();
  CHECK(header_of(a).id == 7);
  CHECK((header_of(a).flags & 15) == 0);
  CHECK(header_of(a).answers == 1);
  CHECK(a.substr(a.size() - 4) == address_bytes("127.0.0.9"));
  CHECK(a.find("ONE") != std::string::npos);     // the question's own spelling comes back
  udp.send(query(8, "one.test", type::aaaa));
  const std::string nothing = udp.receive();
  CHECK((header_of(nothing).flags & 15) == 0);
  CHECK(header_of(nothing).answers == 0);
  udp.send(query(9, "six.test", type::aaaa));
  const std::string aaaa = udp.receive();
  CHECK(aaaa.substr(aaaa.size() - 16) == address_bytes("::9"));
  udp.send(query(10, "9.0.0.127.in-addr.arpa", type::ptr));
  CHECK(udp.receive().find(std::string("\3one\4test\0", 10), 40) != std::string::npos);
  CHECK(server.queries() == std::vector<std::string>{"A one.test", "AAAA one.test", "AAAA six.test", "PTR 9.0.0.127.in-addr.arpa"});
}

TEST_CASE("unknown names are NXDOMAIN, named failures SERVFAIL, wildcards cover every name below, aliases are followed") {
  dns_process server({"--wildcard", "w.test=127.0.0.2", "--servfail", "broken.w.test", "--nxdomain", "gone.w.test",
            "--cname", "alias.test=x.w.test"});
  client udp(server.port(), SOCK_DGRAM);
  const auto ask = [&](const char* name) {
    udp.send(query(1, name, type::a));
    return header_of(udp.receive());
  };
  CHECK((ask("nowhere.test").flags & 15) == 3);
  CHECK((ask("gone.w.test").flags & 15) == 3);
  CHECK((ask("broken.w.test").flags & 15) == 2);
  CHECK(ask("a.b.w.test").answers == 1);
  CHECK(ask("alias.test").answers == 2);
}

TEST_CASE("a wrong id comes first and the true reply after it") {
  dns_process server({"--record", "spoofed.test=127.0.0.3", "--wrong-id", "spoofed.test"});
  client udp(server.port(), SOCK_DGRAM);
  udp.send(query(0x1234, "spoofed.test", type::a));
  const std::string forged = udp.receive();
  CHECK(header_of(forged).id == 0xedcb);
  const std::string truth = udp.receive();
  CHECK(header_of(truth).id == 0x1234);
  CHECK(truth.substr(truth.size() - 4) == address_bytes("127.0.0.3"));
}

TEST_CASE("an answer too big for UDP is truncated there and whole by TCP") {
  std::vector<std::string> options;
  for (int i = 1; i <= 60; ++i) {
    options.push_back("--record");
    options.push_back("big.test=127.0.1." + std::to_string(i));
  }
  dns_process server(options);
  client udp(server.port(), SOCK_DGRAM), tcp(server.port(), SOCK_STREAM);
  udp.send(query(1, "big.test", type::a));
  const header cut = header_of(udp.receive());
  CHECK((cut.flags & 0x0200) != 0);
  CHECK(cut.answers == 0);
  const std::string q = query(2, "big.test", type::a);
  std::string framed;
  put16(framed, static_cast<unsigned>(q.size()));
  tcp.send(framed + q);
  std::string whole = tcp.receive();
  while (whole.size() < reader(whole).u16() + 2u) whole += tcp.receive();
  CHECK(header_of(whole.substr(2)).answers == 60);
  CHECK(server.stop()["tcp"] == 1);
}

TEST_CASE("held answers are in flight together, leave in order, and the most is counted") {
  dns_process server({"--wildcard", "w.test=127.0.0.2", "--delay-ms", "10", "--hold", "50"});
  client udp(server.port(), SOCK_DGRAM);
  for (std::uint16_t i = 0; i < 50; ++i) udp.send(query(i, "n.w.test", type::a));
  std::vector<unsigned> ids;
  for (int i = 0; i < 50; ++i) ids.push_back(header_of(udp.receive()).id);
  CHECK(std::is_sorted(ids.begin(), ids.end()));
  auto stats = server.stop();
  CHECK(stats["most_in_flight"] == 50);
  CHECK(stats["answered"] == 50);
}

TEST_CASE("loss under a seed drops the same queries each time, and damaged ones are ignored") {
  std::vector<unsigned> seen[2];
  for (auto& ids : seen) {
    dns_process server({"--wildcard", "w.test=127.0.0.2", "--loss", "50", "--seed", "3"});
    client udp(server.port(), SOCK_DGRAM);
    // Whether the last one came is known without waiting by the counters.
    for (std::uint16_t i = 0; i < 40; ++i) udp.send(query(i, "n.w.test", type::a));
    client tcp(server.port(), SOCK_STREAM);
    const std::string q = query(99, "n.w.test", type::a);
    std::string framed;
    put16(framed, static_cast<unsigned>(q.size()));
    tcp.send(framed + q);
    tcp.receive();
    auto stats = server.stop();
    CHECK(stats["dropped"] > 5);
    CHECK(stats["dropped"] < 35);
    CHECK(stats["dropped"] + stats["queries"] == 41);
    for (long i = 0; i + 1 < stats["queries"]; ++i) ids.push_back(header_of(udp.receive()).id);
  }
  CHECK(seen[0] == seen[1]);
  const std::string damaged = query(1, "n.w.test", type::a).substr(0, 14);
  CHECK_FALSE(parse_question(damaged));
  CHECK_FALSE(parse_question(std::string("\0\1\1\0\0\1\0\0\0\0\0\0\x3f" "abc", 16)));
}
