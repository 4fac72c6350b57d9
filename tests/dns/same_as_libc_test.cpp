// Weft's resolver and libc's, asking the same name server the same questions: equal answers, equal errors. libc's is pointed at the
// server by the state that resolver(3) keeps for its thread (its own resolv.conf knows no ports).
#include <doctest/doctest.h>

#include <resolv.h>

#include <cstdlib>
#include <fstream>

#include "addrinfo_text.hpp"
#include "dns_process.hpp"
#include "host_text.hpp"
#include "weft/dns.hpp"
#include "weft/fiber.hpp"

extern "C" {
int weft_dns_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result);
int weft_dns_getnameinfo(const sockaddr* a, socklen_t size, char* host, socklen_t host_size, char* service, socklen_t service_size, int);
int weft_dns_gethostbyname2_r(const char* name, int family, hostent* entry, char* buffer, size_t size, hostent** result, int* error);
int weft_dns_gethostbyaddr_r(const void* a, socklen_t length, int family, hostent* entry, char* buffer, size_t size, hostent**, int*);
hostent* weft_dns_gethostbyname2(const char* name, int family);
hostent* weft_dns_gethostbyaddr(const void* a, socklen_t length, int family);
}

using namespace weft_test;

namespace {

struct rules {
  std::vector<std::string> search;
  int ndots = 1;
  int timeout = 10;  // no machine is so slow
  int attempts = 2;
};

// A server that both ask.
struct both : dns_process {
  explicit both(std::vector<std::string> options, const rules& r = {}) : dns_process(std::move(options)) {
    std::ofstream file(resolv_conf(), std::ios::app);
    file << "options ndots:" << r.ndots << " timeout:" << r.timeout << " attempts:" << r.attempts << "\nsearch .";
    for (const std::string& s : r.search) file << " " << s;
    file << "\n";
    file.close();
    setenv("WEFT_RESOLV_CONF", resolv_conf().c_str(), 1);
    res_init();
    _res.nscount = 1;
    _res.nsaddr_list[0].sin_family = AF_INET;
    _res.nsaddr_list[0].sin_port = htons(static_cast<uint16_t>(port()));
    _res.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    _res.ndots = static_cast<unsigned>(r.ndots) & 15;
    _res.retrans = r.timeout;
    _res.retry = r.attempts;
    std::memset(_res.dnsrch, 0, sizeof _res.dnsrch);
    domains_ = ".";
    _res.dnsrch[0] = domains_.data();
    std::size_t n = 1;
    searched_ = r.search;
    for (std::string& s : searched_) _res.dnsrch[n++] = s.data();
  }
  ~both() { unsetenv("WEFT_RESOLV_CONF"); }

private:
  std::string domains_;
  std::vector<std::string> searched_;
};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& w : words) text += w + ", ";
  return text;
}

void compare_name(const std::string& name_text) {
  const char* name = name_text.c_str();
  CAPTURE(name_text);
  for (const int family : {AF_INET, AF_INET6}) {
    CAPTURE(family);
    CHECK(answer_by_name(weft_dns_gethostbyname2_r, name, family) == answer_by_name(::gethostbyname2_r, name, family));
    CHECK(text_with_h_errno(weft_dns_gethostbyname2(name, family)) == text_with_h_errno(::gethostbyname2(name, family)));
  }
  for (const int family : {AF_UNSPEC, AF_INET, AF_INET6})
    for (const int flags : {0, AI_CANONNAME, AI_V4MAPPED, AI_V4MAPPED | AI_ALL}) {
      CAPTURE(family);
      CAPTURE(flags);
      addrinfo hints{};
      hints.ai_family = family;
      hints.ai_flags = flags;
      hints.ai_socktype = SOCK_STREAM;
      CHECK(answer_of(weft_dns_getaddrinfo, name, "http", &hints) == answer_of(::getaddrinfo, name, "http", &hints));
    }
}

void compare_address(const char* address) {
  CAPTURE(std::string(address));
  CHECK(answer_by_address(weft_dns_gethostbyaddr_r, address) == answer_by_address(::gethostbyaddr_r, address));
  for (const int flags : {0, NI_NAMEREQD, NI_NOFQDN, NI_NUMERICSERV, NI_DGRAM, NI_NUMERICHOST}) {
    CAPTURE(flags);
    CHECK(answer_of_name(weft_dns_getnameinfo, {address, 53, flags}) == answer_of_name(::getnameinfo, {address, 53, flags}));
  }
}

std::vector<std::string> zone() {
  return {"--record", "one.test=192.0.2.1", "--record", "six.test=2001:db8::6", "--record", "both.test=192.0.2.2", "--record",
          "both.test=2001:db8::2", "--record", "several.test=192.0.2.11", "--record", "several.test=192.0.2.12", "--record",
          "several.test=192.0.2.13", "--cname", "www.test=host.test", "--cname", "far.test=www.test", "--record", "host.test=192.0.2.9",
          "--cname", "dangling.test=nowhere.test", "--cname", "round.test=about.test", "--cname", "about.test=round.test", "--nxdomain",
          "gone.test", "--empty", "empty.test", "--cname", "hollow.test=empty.test", "--cname", "six-too.test=six.test", "--record",
              "_under.test=192.0.2.20"};
}

}  // namespace

TEST_CASE("names, aliases and missing names answer alike") {
  both server(zone());
  for (const char* name : {"one.test", "ONE.Test", "one.test.", "six.test", "both.test", "several.test", "www.test", "far.test",
                           "dangling.test", "hollow.test", "six-too.test", "gone.test", "empty.test", "_under.test", "never-heard-of.test"})
    compare_name(name);
}

TEST_CASE("texts that are no host names answer alike") {
  both server(zone());
  for (const char* name : {"", "-bad.test", "two words.test", "a..test", ".test", ".", "under_score.test", "1.2.3", "1.2.3.4.", "0x7f.1",
                           "127.1", "::1", "1::x", "300.300.300.300", "one.test\n", "b\xc3\xbc" "cher.test"})
    compare_name(name);
  compare_name(std::string(70, 'x') + ".test");
  compare_name(std::string(255, 'x') + ".test");
}

TEST_CASE("names of the hosts file answer alike") {
  both server(zone());
  for (const char* name : {"localhost", "LOCALHOST", "localhost."}) {
    CAPTURE(name);
    CHECK(answer_by_name(weft_dns_gethostbyname2_r, name, AF_INET) == answer_by_name(::gethostbyname2_r, name, AF_INET));
  }
  compare_address("127.0.0.1");
}

TEST_CASE("the search list and ndots are followed alike") {
  auto records = zone();
  for (const char* more : {"--record", "short.two.test=192.0.2.30", "--record", "a.b.one.test=192.0.2.31"}) records.push_back(more);
  for (const int ndots : {0, 1, 2}) {
    CAPTURE(ndots);
    rules r;
    r.search = {"one.test", "two.test"};
    r.ndots = ndots;
    both server(records, r);
    for (const char* name : {"short", "short.", "a.b", "missing", "one.test", "gone.test"}) {
      CAPTURE(std::string(name));
      const auto before = server.queries().size();
      const std::string ours = answer_by_name(weft_dns_gethostbyname2_r, name, AF_INET);
      const auto asked = server.queries();
      CHECK(ours == answer_by_name(::gethostbyname2_r, name, AF_INET));
      const auto all = server.queries();
      const std::vector<std::string> weft_asked(asked.begin() + static_cast<long>(before), asked.end());
      const std::vector<std::string> libc_asked(all.begin() + static_cast<long>(asked.size()), all.end());
      CHECK(joined(weft_asked) == joined(libc_asked));
    }
  }
}

TEST_CASE("addresses lead to names alike") {
  auto records = zone();
  for (const char* more : {"--servfail", "66.2.0.192.in-addr.arpa", "--empty", "67.2.0.192.in-addr.arpa", "--nxdomain",
      "68.2.0.192.in-addr.arpa"})
    records.push_back(more);
  both server(records);
  for (const char* address : {"192.0.2.1", "192.0.2.12", "2001:db8::6", "2001:db8::dead", "192.0.2.66", "192.0.2.67", "192.0.2.68",
                              "192.0.2.200", "::ffff:192.0.2.1", "::"})
    compare_address(address);
  unsigned char bytes[16] = {};
  for (const socklen_t length : {0u, 3u, 16u})
    CHECK(text_with_h_errno(weft_dns_gethostbyaddr(bytes, length, AF_INET)) == text_with_h_errno(::gethostbyaddr(bytes, length, AF_INET)));
}

TEST_CASE("getnameinfo's flags, sizes and scopes give the same texts and errors") {
  both server(zone());
  for (const int flags : {0, NI_NAMEREQD, NI_NUMERICHOST, NI_NUMERICSERV, NI_NUMERICHOST | NI_NUMERICSERV, NI_DGRAM, NI_NOFQDN, 0x10000})
    for (const char* address : {"192.0.2.1", "192.0.2.99", "2001:db8::6", "fe80::1"})
      for (const int port : {80, 53, 512, 64999}) {
        for (const socklen_t room : {0u, 1u, 3u, 8u, 9u, unsigned{NI_MAXHOST}}) {
          const name_question q{address, port, flags, room, NI_MAXSERV, 1};
          CAPTURE(flags);
          CAPTURE(address);
          CAPTURE(port);
          CAPTURE(room);
          CHECK(answer_of_name(weft_dns_getnameinfo, q) == answer_of_name(::getnameinfo, q));
          const name_question r{address, port, flags, NI_MAXHOST, std::min(room, socklen_t{NI_MAXSERV}), 77};
          CHECK(answer_of_name(weft_dns_getnameinfo, r) == answer_of_name(::getnameinfo, r));
        }
      }
  sockaddr_in in{};
  in.sin_family = AF_INET;
  char host[64];
  const auto* a = reinterpret_cast<const sockaddr*>(&in);
  for (const socklen_t size : {0u, 1u, 2u, 8u, 15u})
    CHECK(weft_dns_getnameinfo(a, size, host, sizeof host, nullptr, 0, 0) == ::getnameinfo(a, size, host, sizeof host, nullptr, 0, 0));
  CHECK(weft_dns_getnameinfo(nullptr, 16, host, sizeof host, nullptr, 0, 0) == ::getnameinfo(nullptr, 16, host, sizeof host, nullptr,
      0, 0));
  in.sin_family = AF_UNIX;
  char other[64];
  CHECK(weft_dns_getnameinfo(a, sizeof in, host, sizeof host, nullptr, 0, 0) == ::getnameinfo(a, sizeof in, other, sizeof other,
      nullptr, 0, 0));
  CHECK(std::string(host) == other);
}

TEST_CASE("a buffer that is too small is ERANGE, and larger ones succeed at last") {
  both server(zone());
  for (const std::size_t size : {0, 1, 8, 16})
    for (const char* name : {"one.test", "localhost", "127.0.0.1"}) {
      CAPTURE(size);
      CAPTURE(std::string(name));
      CHECK(answer_by_name(weft_dns_gethostbyname2_r, name, AF_INET, size) == answer_by_name(::gethostbyname2_r, name, AF_INET, size));
    }
  for (std::size_t size = 0;; ++size) {
    REQUIRE(size < 4096);
    const std::string answer = answer_by_name(weft_dns_gethostbyname2_r, "www.test", AF_INET, size);
    if (answer == "34: nothing, h_errno -1 errno 34") continue;
    CHECK(answer == answer_by_name(::gethostbyname2_r, "www.test", AF_INET));
    break;
  }
}

TEST_CASE("failing and misbehaving servers lead to the same answers") {
  auto records = zone();
  for (const char* more : {"--servfail", "broken.test", "--refused", "refused.test", "--wrong-id", "one.test", "--wrong-question",
      "host.test",
                           "--garbage", "several.test", "--truncated", "both.test", "--lose", "six.test=1"})
    records.push_back(more);
  rules r;
  r.timeout = 1;
  both server(records, r);
  for (const char* name : {"broken.test", "refused.test", "one.test", "host.test", "several.test", "both.test"}) compare_name(name);
}

TEST_CASE("a lost query is sent again, a silent server given up, alike") {
  auto records = zone();
  for (const char* more : {"--silent", "mute.test", "--lose", "one.test=1"}) records.push_back(more);
  rules r;
  r.timeout = 1;
  both server(records, r);
  CHECK(answer_by_name(weft_dns_gethostbyname2_r, "one.test", AF_INET) == "0: one.test type 2 length 4 aliases addresses 192.0.2.1");
  CHECK(answer_by_name(weft_dns_gethostbyname2_r, "mute.test", AF_INET) == answer_by_name(::gethostbyname2_r, "mute.test", AF_INET));
}

TEST_CASE("each fiber has its own result of gethostbyname") {
  both server(zone());
  hostent* mine = weft_dns_gethostbyname2("one.test", AF_INET);
  const std::string before = text_of(mine);
  auto other = weft::spawn([] { return text_of(weft_dns_gethostbyname2("host.test", AF_INET)); });
  CHECK(other.get() == "host.test type 2 length 4 aliases addresses 192.0.2.9");
  CHECK(text_of(mine) == before);
  CHECK(weft_dns_gethostbyname2("host.test", AF_INET) == mine);
  CHECK(text_of(mine) != before);
}
