// Scenes with sockets. Plain libc.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <csignal>

#include "play.hpp"

namespace weft_test::scenes {

inline int listening(sockaddr_in& at, int backlog = 16) {
  at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(fd, (sockaddr*)&at, size) != 0 || listen(fd, backlog) != 0) std::abort();
  getsockname(fd, (sockaddr*)&at, &size);
  return fd;
}

inline int connected(const sockaddr_in& at) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (const sockaddr*)&at, sizeof at) != 0) std::abort();
  return fd;
}

inline void tcp(int (&fds)[2]) {
  sockaddr_in at;
  const int l = listening(at);
  fds[0] = connected(at);
  fds[1] = accept(l, nullptr, nullptr);
  close(l);
}

inline void conversation() {
  sockaddr_in at;
  const int l = listening(at);
  play({[&](lines& out) {
          const int fd = accept(l, nullptr, nullptr);
          char buffer[32];
          for (int i = 0; i < 5; ++i) {
            ssize_t n = -1;
            iovec part{buffer, sizeof buffer};
            msghdr message{};
            message.msg_iov = &part;
            message.msg_iovlen = 1;
            switch (i) {
              case 0: n = read(fd, buffer, sizeof buffer); break;
              case 1: n = recv(fd, buffer, sizeof buffer, 0); break;
              case 2: n = recvfrom(fd, buffer, sizeof buffer, 0, nullptr, nullptr); break;
              case 3: n = readv(fd, &part, 1); break;
              case 4: n = recvmsg(fd, &message, 0); break;
            }
            out.call("server got", n);
            if (n > 0) out.call("server sent", write(fd, buffer, static_cast<size_t>(n)));
          }
          out.call("end", read(fd, buffer, sizeof buffer));
          close(fd);
        },
        [&](lines& out) {
          const int fd = connected(at);
          char buffer[32];
          for (int i = 0; i < 5; ++i) {
            ssize_t n = -1;
            iovec part{const_cast<char*>("message"), 7};
            msghdr message{};
            message.msg_iov = &part;
            message.msg_iovlen = 1;
            switch (i) {
              case 0: n = write(fd, "message", 7); break;
              case 1: n = send(fd, "message", 7, 0); break;
              case 2: n = sendto(fd, "message", 7, 0, nullptr, 0); break;
              case 3: n = writev(fd, &part, 1); break;
              case 4: n = sendmsg(fd, &message, 0); break;
            }
            out.call("client sent", n);
            out.call("client got", recv(fd, buffer, sizeof buffer, 0));
            out.say(std::string(buffer, 7));
          }
          close(fd);
        }});
  close(l);
}

inline void big_transfer() {
  int fds[2];
  tcp(fds);
  const size_t size = 6u << 20;
  play({[&](lines& out) {
          std::string data(size, 'd');
          out.call("send", send(fds[0], data.data(), data.size(), 0));
          iovec parts[2] = {{data.data(), size / 2}, {data.data(), size / 2}};
          out.call("writev", writev(fds[0], parts, 2));
          msghdr message{};
          message.msg_iov = parts;
          message.msg_iovlen = 2;
          out.call("sendmsg", sendmsg(fds[0], &message, MSG_NOSIGNAL));
          close(fds[0]);
        },
        [&](lines& out) {
          std::string data(size, '\0');
          out.call("waitall", recv(fds[1], data.data(), data.size(), MSG_WAITALL));
          size_t rest = 0;
          for (ssize_t n; (n = read(fds[1], data.data(), data.size())) > 0;) rest += static_cast<size_t>(n);
          out.call("rest", static_cast<long>(rest));
        }});
  close(fds[1]);
}

inline void flags() {
  int fds[2];
  tcp(fds);
  play({[&](lines& out) {
          char buffer[16];
          out.call("dontwait", recv(fds[0], buffer, 8, MSG_DONTWAIT));
          write(fds[0], "go", 2);
          out.call("peek", recv(fds[0], buffer, 3, MSG_PEEK | MSG_WAITALL));
          out.call("waitall", recv(fds[0], buffer, 6, MSG_WAITALL));
          out.say(std::string(buffer, 6));
          out.call("trunc", recv(fds[0], buffer, 4, MSG_TRUNC));
          write(fds[0], "go", 2);
          out.call("before the mark", recv(fds[0], buffer, 16, 0));
          out.call("urgent", recv(fds[0], buffer, 1, MSG_OOB));
          out.call("no more urgent", recv(fds[0], buffer, 1, MSG_OOB));
          out.call("end", recv(fds[0], buffer, 1, 0));
          out.call("end again", recv(fds[0], buffer, 1, 0));
        },
        [&](lines& out) {
          char buffer[16];
          out.call("go", recv(fds[1], buffer, 2, MSG_WAITALL));
          out.call("send", send(fds[1], "abcdefghij", 10, 0));
          out.call("go", recv(fds[1], buffer, 2, MSG_WAITALL));
          out.call("send", send(fds[1], "xyz!", 4, MSG_OOB));
          shutdown(fds[1], SHUT_WR);
        }});
  close(fds[0]);
  close(fds[1]);
}

inline void nonblocking() {
  int fds[2];
  tcp(fds);
  sockaddr_in at;
  const int l = listening(at);
  fcntl(l, F_SETFL, O_NONBLOCK);
  play({[&](lines& out) {
    char c;
    out.call("accept", accept(l, nullptr, nullptr));
    fcntl(fds[0], F_SETFL, fcntl(fds[0], F_GETFL) | O_NONBLOCK);
    out.call("recv", recv(fds[0], &c, 1, 0));
    out.call("read", read(fds[0], &c, 1));
    write(fds[1], "x", 1);
    fcntl(fds[0], F_SETFL, fcntl(fds[0], F_GETFL) & ~O_NONBLOCK);
    out.call("blocking again", recv(fds[0], &c, 1, 0));
    int on = 1;
    ioctl(fds[0], FIONBIO, &on);
    out.call("FIONBIO", recv(fds[0], &c, 1, 0));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    out.call("connect", connect(fd, (sockaddr*)&at, sizeof at));
    close(fd);
    std::string data(8u << 20, 'd');
    const ssize_t part = send(fds[0], data.data(), data.size(), 0);
    out.say(part > 0 && part < static_cast<ssize_t>(data.size()) ? "a part" : "not a part");
    while (send(fds[0], data.data(), data.size(), 0) > 0) {
    }
    out.call("full", send(fds[0], data.data(), data.size(), 0));
    out.say(fcntl(fds[0], F_GETFL) & O_NONBLOCK ? "still non-blocking" : "changed");
  }});
  close(fds[0]);
  close(fds[1]);
  close(l);
}

inline void time_limits() {
  int fds[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
  sockaddr_in at;
  const int l = listening(at);
  play({[&](lines& out) {
          const timeval limit{0, 20'000};
          char c;
          setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
          setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
          setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
          out.call("recv", recv(fds[0], &c, 1, 0));
          out.call("read", read(fds[0], &c, 1));
          out.call("recvmsg waitall", recv(fds[0], &c, 1, MSG_WAITALL));
          out.call("accept", accept(l, nullptr, nullptr));
          std::string data(8u << 20, 'd');
          const ssize_t part = write(fds[0], data.data(), data.size());
          out.say(part > 0 && part < static_cast<ssize_t>(data.size()) ? "a part" : "not a part");
          out.call("full", send(fds[0], data.data(), data.size(), 0));
        },
        [](lines& out) {
          usleep(1000);
          out.say("meanwhile");
        }});
  close(fds[0]);
  close(fds[1]);
  close(l);
}

inline void errors() {
  int fds[2], pipes[2];
  tcp(fds);
  if (pipe(pipes) != 0) std::abort();
  sockaddr_in nobody{};
  nobody.sin_family = AF_INET;
  nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t nobodys_size = sizeof nobody;
  const int taken = socket(AF_INET, SOCK_STREAM, 0);  // bound, so that no other program comes to listen there
  if (bind(taken, (sockaddr*)&nobody, nobodys_size) != 0) std::abort();
  getsockname(taken, (sockaddr*)&nobody, &nobodys_size);
  volatile long bad_address = 8;
  void* bad = (void*)bad_address;
  play({[&](lines& out) {
          char c = 0;
          out.call("read -1", read(-1, &c, 1));
          out.call("recv 12345", recv(12345, &c, 1, 0));
          out.call("recv on a pipe", recv(pipes[0], &c, 1, 0));
          out.call("read of the wrong end", read(pipes[1], &c, 1));
          out.call("write to the wrong end", write(pipes[0], &c, 1));
          out.call("accept on no listener", accept(fds[0], nullptr, nullptr));
          out.call("send from nowhere", send(fds[0], bad, 10, 0));
          out.call("write from nowhere", write(pipes[1], bad, 10));
          out.call("sendmsg of nothing", sendmsg(fds[0], (msghdr*)bad, 0));
          out.call("writev of nothing", writev(fds[0], (iovec*)bad, 2));
          out.call("writev of too much", writev(pipes[1], (iovec*)&fds, 5000));
          out.call("refused", connect(socket(AF_INET, SOCK_STREAM, 0), (sockaddr*)&nobody, sizeof nobody));
          out.call("connect to nowhere", connect(socket(AF_INET, SOCK_STREAM, 0), (sockaddr*)bad, sizeof nobody));
          out.call("connected already", connect(fds[0], (sockaddr*)&nobody, sizeof nobody));
          write(fds[1], "data", 4);
          out.call("recv to nowhere", recv(fds[0], bad, 10, 0));
          out.call("the data", recv(fds[0], &c, 1, 0));
          out.call("recv of nothing", recv(fds[0], &c, 0, 0));
          out.call("read of nothing", read(pipes[0], &c, 0));
        },
        [](lines& out) { out.say("another"); }});
  for (int fd : {fds[0], fds[1], pipes[0], pipes[1], taken}) close(fd);
}

inline void broken_pipe() {
  static int signals;
  signals = 0;
  signal(SIGPIPE, [](int) { ++signals; });
  int fds[2], pipes[2];
  tcp(fds);
  if (pipe(pipes) != 0) std::abort();
  play({[&](lines& out) {
          char c;
          close(pipes[0]);
          out.call("write", write(pipes[1], "x", 1));
          out.say("signals " + std::to_string(signals));
          linger hard{1, 0};
          setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
          close(fds[1]);
          out.call("reset", recv(fds[0], &c, 1, 0));
          out.call("nosignal", send(fds[0], "x", 1, MSG_NOSIGNAL));
          out.say("signals " + std::to_string(signals));
          out.call("send", send(fds[0], "x", 1, 0));
          out.say("signals " + std::to_string(signals));
        },
        [](lines& out) { out.say("another"); }});
  close(fds[0]);
  close(pipes[1]);
  signal(SIGPIPE, SIG_DFL);
}

inline void datagrams() {
  int fds[2];
  socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
  play({[&](lines& out) {
          for (int i = 0; i < 500; ++i)
            if (send(fds[0], "datagram", 8, 0) != 8) out.call("send", -1);
          char text[2][4] = {"abc", "def"};
          iovec parts[2] = {{text[0], 3}, {text[1], 3}};
          mmsghdr messages[2] = {};
          for (int i = 0; i < 2; ++i) {
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
          }
          out.call("sendmmsg", sendmmsg(fds[0], messages, 2, 0));
        },
        [&](lines& out) {
          char buffer[16];
          int got = 0;
          for (; got < 500; ++got)
            if (recv(fds[1], buffer, sizeof buffer, 0) != 8) break;
          out.call("datagrams", got);
          iovec part{buffer, 2};
          msghdr one{};
          one.msg_iov = &part;
          one.msg_iovlen = 1;
          out.call("recvmsg", recvmsg(fds[1], &one, 0));
          out.say(one.msg_flags & MSG_TRUNC ? "cut" : "whole");
          mmsghdr messages[1] = {};
          part.iov_len = sizeof buffer;
          messages[0].msg_hdr.msg_iov = &part;
          messages[0].msg_hdr.msg_iovlen = 1;
          out.call("recvmmsg", recvmmsg(fds[1], messages, 1, 0, nullptr));
          out.call("length", messages[0].msg_len);
        }});
  close(fds[0]);
  close(fds[1]);
}

inline void passed_descriptor() {
  int fds[2], pipes[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
  if (pipe(pipes) != 0) std::abort();
  play({[&](lines& out) {
          char space[CMSG_SPACE(sizeof(int))] = {};
          char byte = 'f';
          iovec part{&byte, 1};
          msghdr message{};
          message.msg_iov = &part;
          message.msg_iovlen = 1;
          message.msg_control = space;
          message.msg_controllen = sizeof space;
          cmsghdr* head = CMSG_FIRSTHDR(&message);
          head->cmsg_level = SOL_SOCKET;
          head->cmsg_type = SCM_RIGHTS;
          head->cmsg_len = CMSG_LEN(sizeof(int));
          std::memcpy(CMSG_DATA(head), &pipes[0], sizeof(int));
          out.call("sendmsg", sendmsg(fds[0], &message, 0));
          out.call("write", write(pipes[1], "through", 7));
          close(pipes[1]);
        },
        [&](lines& out) {
          char space[CMSG_SPACE(sizeof(int))] = {};
          char byte, buffer[16];
          iovec part{&byte, 1};
          msghdr message{};
          message.msg_iov = &part;
          message.msg_iovlen = 1;
          message.msg_control = space;
          message.msg_controllen = sizeof space;
          out.call("recvmsg", recvmsg(fds[1], &message, 0));
          int fd = -1;
          if (cmsghdr* head = CMSG_FIRSTHDR(&message)) std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
          out.call("read", read(fd, buffer, sizeof buffer));
          out.call("end", read(fd, buffer, sizeof buffer));
          close(fd);
        }});
  for (int fd : {fds[0], fds[1], pipes[0]}) close(fd);
}

inline const scene sockets[] = {
    {"conversation", conversation}, {"big_transfer", big_transfer}, {"flags", flags},
    {"nonblocking", nonblocking, false}, {"time_limits", time_limits}, {"errors", errors, false},
    {"broken_pipe", broken_pipe, false}, {"datagrams", datagrams}, {"passed_descriptor", passed_descriptor, false},
};

}  // namespace weft_test::scenes
