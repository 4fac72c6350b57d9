// Scenes with stdio, pipes, terminals, poll and select, sleeps and child processes. Plain libc.
#pragma once

#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <termios.h>

#include <ctime>

#include "scenes_sockets.hpp"

extern char** environ;

namespace weft_test::scenes {

inline void streams() {
  int fds[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
  play({[&](lines& out) {
          FILE* f = fdopen(fds[0], "r+");
          char line[64];
          for (int i = 0; i < 3; ++i) {
            out.call("fprintf", fprintf(f, "question %d\n", i));
            fflush(f);
            out.say(fgets(line, sizeof line, f) ? line : "no line");
          }
          fclose(f);
        },
        [&](lines& out) {
          FILE* f = fdopen(fds[1], "r+");
          char line[64];
          while (fgets(line, sizeof line, f)) {
            out.say(line);
            fprintf(f, "answer to %s", line);
            fflush(f);
          }
          out.say(feof(f) ? "end" : "error");
          fclose(f);
        }});
}

inline void pipes() {
  int fds[2], back[2];
  if (pipe(fds) != 0 || pipe(back) != 0) std::abort();
  play({[&](lines& out) {
          std::string data(1u << 20, 'd');
          out.call("write", write(fds[1], data.data(), data.size()));
          iovec parts[2] = {{data.data(), 100'000}, {data.data(), 200'000}};
          out.call("writev", writev(fds[1], parts, 2));
          close(fds[1]);
          char c;
          out.call("back", read(back[0], &c, 1));
        },
        [&](lines& out) {
          std::string data(70'000, '\0');
          long sum = 0;
          for (ssize_t n; (n = read(fds[0], data.data(), data.size())) > 0;) sum += n;
          out.call("sum", sum);
          out.call("back", write(back[1], "b", 1));
        }});
  for (int fd : {fds[0], back[0], back[1]}) close(fd);
}

inline void terminal() {
  int master, slave;
  if (openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) std::abort();
  termios mode;
  tcgetattr(slave, &mode);
  mode.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  mode.c_oflag &= ~static_cast<tcflag_t>(OPOST);  // "\r\n" for "\n" is a write of its own, and may arrive apart
  tcsetattr(slave, TCSANOW, &mode);
  play({[&](lines& out) {
          char line[64];
          out.call("line", read(slave, line, sizeof line));
          out.call("answer", write(slave, "thanks\n", 7));
          out.call("second", read(slave, line, sizeof line));
        },
        [&](lines& out) {
          char line[64];
          out.call("typed", write(master, "some text\n", 10));
          out.call("seen", read(master, line, sizeof line));
          out.call("typed", write(master, "more\n", 5));
        }});
  close(master);
  close(slave);
}

inline void counters() {
  const int fd = eventfd(0, 0), full = eventfd(0, 0);
  play({[&](lines& out) {
          uint64_t value = 0;
          out.call("read", read(fd, &value, sizeof value));
          out.call("value", static_cast<long>(value));
          const uint64_t most = ~uint64_t{0} - 1;
          out.call("fill", write(full, &most, sizeof most));
          const uint64_t one = 1;
          out.call("tell", write(fd, &one, sizeof one));
          out.call("more", write(full, &one, sizeof one));
          out.call("short", read(full, &value, 4));
        },
        [&](lines& out) {
          uint64_t value = 41;
          out.call("write", write(fd, &value, sizeof value));
          sched_yield();
          while (value != 1)
            if (read(fd, &value, sizeof value) == 8 && value == 41) write(fd, &value, sizeof value), sched_yield();
          out.call("empty", read(full, &value, sizeof value));
        }});
  close(fd);
  close(full);
}

inline void polls() {
  int one[2], two[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, one);
  socketpair(AF_UNIX, SOCK_STREAM, 0, two);
  volatile long bad_address = 8;
  void* bad = (void*)bad_address;
  play({[&](lines& out) {
          pollfd fds[3] = {{one[0], POLLIN, 0}, {-1, POLLIN, 0}, {two[0], POLLIN | POLLOUT, 0}};
          out.call("writable", poll(fds, 3, -1));
          out.call("revents", fds[2].revents);
          fds[2].events = POLLIN;
          out.call("at once", poll(fds, 3, 0));
          out.call("timeout", poll(fds, 3, 15));
          write(one[0], "g", 1);
          out.call("readable", poll(fds, 3, -1));
          out.call("revents", fds[2].revents);
          out.call("invalid", (fds[1].fd = 12345, poll(fds, 3, -1)));
          out.call("revents", fds[1].revents);
          out.call("bad", poll((pollfd*)bad, 2, 100));
          timespec limit{0, 10'000'000};
          out.call("ppoll", ppoll(fds, 1, &limit, nullptr));
          limit.tv_nsec = -1;
          out.call("ppoll", ppoll(fds, 1, &limit, nullptr));
          fds[0].events = 0;
          write(one[0], "c", 1);
          out.call("hang-up", poll(fds, 1, -1));
          out.call("revents", fds[0].revents);
        },
        [&](lines& out) {
          char c;
          out.call("go", read(one[1], &c, 1));
          write(two[1], "x", 1);
          out.call("go", read(one[1], &c, 1));
          close(one[1]);
        }});
  for (int fd : {one[0], two[0], two[1]}) close(fd);
}

inline void selects() {
  int one[2], two[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, one);
  socketpair(AF_UNIX, SOCK_STREAM, 0, two);
  volatile long bad_address = 8;
  play({[&](lines& out) {
          const int top = (one[0] > two[0] ? one[0] : two[0]) + 1;
          fd_set in, ex;
          FD_ZERO(&in);
          FD_ZERO(&ex);
          FD_SET(one[0], &in);
          FD_SET(two[0], &in);
          FD_SET(two[0], &ex);
          write(one[0], "g", 1);
          out.call("select", select(top, &in, nullptr, &ex, nullptr));
          out.say(FD_ISSET(one[0], &in) ? "one" : "not one");
          out.say(FD_ISSET(two[0], &in) ? "two" : "not two");
          FD_ZERO(&in);
          FD_SET(one[0], &in);
          timeval limit{0, 15'000};
          out.call("timeout", select(top, &in, nullptr, nullptr, &limit));
          out.say(limit.tv_sec == 0 && limit.tv_usec == 0 ? "nothing left" : "something left");
          out.say(FD_ISSET(one[0], &in) ? "one" : "not one");
          timespec longer{0, 5'000'000};
          FD_SET(two[0], &in);
          out.call("pselect", pselect(top, &in, nullptr, nullptr, &longer, nullptr));
          out.call("sleep", select(0, nullptr, nullptr, nullptr, &(limit = timeval{0, 1'000})));
          out.call("negative", select(-1, &in, nullptr, nullptr, nullptr));
          out.call("bad", select(top, (fd_set*)bad_address, nullptr, nullptr, nullptr));
          // A number that the process has used: the kernel passes over those beyond its table.
          const int was_open = dup(one[0]);
          close(was_open);
          FD_ZERO(&in);
          FD_SET(was_open, &in);
          out.call("not open", select(was_open + 1, &in, nullptr, nullptr, nullptr));
        },
        [&](lines& out) {
          char c;
          out.call("go", read(one[1], &c, 1));
          write(two[1], "x", 1);
        }});
  for (int fd : {one[0], one[1], two[0], two[1]}) close(fd);
}

inline void sleeps() {
  volatile long bad_address = 8;
  play({[&](lines& out) {
          timespec t{0, 2'000'000}, before, after;
          clock_gettime(CLOCK_MONOTONIC, &before);
          out.call("nanosleep", nanosleep(&t, nullptr));
          out.call("usleep", usleep(2'000));
          out.call("sleep", static_cast<long>(sleep(0)));
          out.call("clock_nanosleep", clock_nanosleep(CLOCK_REALTIME, 0, &t, nullptr));
          clock_gettime(CLOCK_MONOTONIC, &after);
          const long ns = (after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec;
          out.say(ns >= 6'000'000 ? "not too early" : "too early");
          clock_gettime(CLOCK_MONOTONIC, &t);
          t.tv_nsec += 1'000'000;
          if (t.tv_nsec >= 1'000'000'000) t = {t.tv_sec + 1, t.tv_nsec - 1'000'000'000};
          out.call("until", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr));
          t = {1, 0};
          out.call("past", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, nullptr));
          t = {0, 1'000'000'000};
          out.call("invalid", nanosleep(&t, nullptr));
          out.call("invalid", clock_nanosleep(CLOCK_MONOTONIC, 0, &t, nullptr));
          out.call("no clock", clock_nanosleep(99, 0, &t, nullptr));
          out.call("nowhere", nanosleep((timespec*)bad_address, nullptr));
        },
        [](lines& out) { out.call("yield", sched_yield()); }});
}

inline void children() {
  play({[](lines& out) {
          FILE* f = popen("echo from a child; exit 3", "r");
          char line[64];
          out.say(fgets(line, sizeof line, f) ? line : "no line");
          out.say(fgets(line, sizeof line, f) ? line : "no line");
          out.call("pclose", WEXITSTATUS(pclose(f)));
          out.call("system", WEXITSTATUS(system("exit 5")));
        },
        [](lines& out) {
          int fds[2], status = 0;
          if (pipe(fds) != 0) std::abort();
          const pid_t pid = fork();
          // It must not wait: in fibers the others go on in the child too, as gevent's greenlets do.
          if (pid == 0) _exit(write(fds[1], "child", 5) == 5 ? 9 : 1);
          char buffer[16];
          out.call("from the child", read(fds[0], buffer, sizeof buffer));
          waitpid(pid, &status, 0);
          out.call("status", WEXITSTATUS(status));
          close(fds[0]);
          close(fds[1]);
        }});
}

inline void many_at_once() {
  int fds[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
  std::vector<actor> readers(100, [&](lines& out) {
    char c;
    write(fds[0], "r", 1);  // "I am going to wait"
    out.call("read", read(fds[0], &c, 1));
  });
  readers.push_back([&](lines& out) {
    char here[100];
    out.call("all here", recv(fds[1], here, sizeof here, MSG_WAITALL));
    out.call("answer", write(fds[1], here, sizeof here));
  });
  play(std::move(readers));
  close(fds[0]);
  close(fds[1]);
}

inline const scene others[] = {
    {"streams", streams, true, true}, {"pipes", pipes},   {"terminal", terminal}, {"counters", counters},         {"polls", polls},
    {"selects", selects}, {"sleeps", sleeps}, {"children", children}, {"many_at_once", many_at_once},
};

}  // namespace weft_test::scenes
