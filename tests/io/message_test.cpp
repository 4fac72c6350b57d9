// recvmsg and sendmsg: parts, ancillary data, descriptors passed over local sockets.
#include <doctest/doctest.h>

#include "sockets.hpp"
#include "weft/fiber.hpp"
#include "weft/testing.hpp"

using namespace weft_test;

namespace {

struct control {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int))] = {};
};

void send_with_fd(int socket, std::string_view text, int fd) {
  control c;
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = c.bytes;
  message.msg_controllen = sizeof c.bytes;
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  REQUIRE(weft::sendmsg(socket, &message, 0) == static_cast<ssize_t>(text.size()));
}

struct received {
  std::string text;
  owned_fd fd;
};

received receive(int socket, int flags = 0) {
  control c;
  char text[64];
  iovec part{text, sizeof text};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = c.bytes;
  message.msg_controllen = sizeof c.bytes;
  const ssize_t got = weft::recvmsg(socket, &message, flags);
  received r;
  if (got > 0) r.text.assign(text, static_cast<std::size_t>(got));
  if (cmsghdr* head = CMSG_FIRSTHDR(&message)) {
    int fd;
    std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
    r.fd = owned_fd(fd);
  }
  return r;
}

}  // namespace

TEST_CASE("descriptors pass over a local socket, and nothing behind them is lost") {
  ends e = unix_pair();
  ends passed = pipe_pair();
  auto reader = weft::spawn([&] {
    // Data is joined up to the descriptor that it came with, never beyond.
    received first = receive(e.a), second = receive(e.a), third = receive(e.a);
    CHECK(first.text == "beforewith");
    CHECK(second.text == "after");
    CHECK(third.text == "");
    REQUIRE(first.fd >= 0);
    return read_to_end(first.fd);
  });
  put(e.b, "before");
  send_with_fd(e.b, "with", passed.a);
  put(e.b, "after");
  e.b.reset();
  REQUIRE(::write(passed.b, "through", 7) == 7);
  passed.b.reset();
  CHECK(reader.get() == "through");
}

TEST_CASE("plain recv stops before a passed descriptor and still finds the rest") {
  ends e = unix_pair();
  ends passed = pipe_pair();
  put(e.b, "one");
  send_with_fd(e.b, "two", passed.a);
  put(e.b, "three");
  std::string all;
  while (all.size() < 11) all += get(e.a, 64);
  CHECK(all == "onetwothree");
}

TEST_CASE("recvmsg with MSG_WAITALL fills all parts of a stream") {
  ends e = tcp_pair();
  char a[4], b[6];
  auto reader = weft::spawn([&] {
    iovec parts[] = {{a, sizeof a}, {b, sizeof b}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return weft::recvmsg(e.a, &message, MSG_WAITALL);
  });
  for (const char* part : {"ab", "cdef", "ghij"}) {
    weft::testing::wait_all_blocked();
    put(e.b, part);
  }
  CHECK(reader.get() == 10);
  CHECK(std::string(a, 4) + std::string(b, 6) == "abcdefghij");
}

TEST_CASE("a datagram that does not fit is cut and marked") {
  ends e = unix_pair(SOCK_DGRAM);
  put(e.b, "0123456789");
  char text[4];
  iovec part{text, sizeof text};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  CHECK(weft::recvmsg(e.a, &message, 0) == 4);
  CHECK((message.msg_flags & MSG_TRUNC) != 0);
}

TEST_CASE("sequenced packets keep their borders and end with 0") {
  ends e = unix_pair(SOCK_SEQPACKET);
  auto reader = weft::spawn([&] { return get_each(e.a, {{64, 0}, {64, 0}, {64, 0}}); });
  weft::testing::wait_all_blocked();
  put(e.b, "one");
  put(e.b, "two");
  e.b.reset();
  CHECK(reader.get() == "one|two||");
}
