/* Bad pointers in every argument: EFAULT as the kernel gives it, and nothing is lost. */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#include "../scene.h"

#define GROUP "faults"

static int pair[2], pipes[2];

static void send_later(void *arg) {
  usleep(1000);
  DO(write(*(int *)arg, "late", 4));
}

/* While data is there, and while it must be waited for. */
SCENE(receiving_faults) {
  for (int kind = 0; kind < 3; ++kind) {
    if (kind == 0) tcp_pair(pair);
    else if (kind == 1) unix_pair(SOCK_STREAM, pair);
    else udp_pair(pair);
    char c;
    struct iovec wrong = {bad(), 10}, right = {&c, 1};
    struct msghdr bad_iov = {.msg_iov = bad(), .msg_iovlen = 1}, bad_buffer = {.msg_iov = &wrong, .msg_iovlen = 1},
                  bad_name = {.msg_iov = &right, .msg_iovlen = 1, .msg_name = bad(), .msg_namelen = 16};
    say("kind %d", kind);
    part *sender = go(send_later, &pair[1]);
    DO(recv(pair[0], bad(), 10, 0));
    join(sender);
    MUST(write(pair[1], "abcd", 4));
    DO(recv(pair[0], bad(), 10, MSG_PEEK));
    DO(readv(pair[0], bad(), 1));
    DO(recvmsg(pair[0], bad(), 0));
    DO(recvmsg(pair[0], &bad_iov, 0));
    DO(recvmmsg(pair[0], bad(), 1, 0, NULL));
    DO(recvfrom(pair[0], &c, 1, MSG_PEEK, bad(), (socklen_t *)bad()));
    DO(read(pair[0], &c, 1));
    MUST(write(pair[1], "efgh", 4));
    DO(recvmsg(pair[0], &bad_buffer, 0));
    MUST(write(pair[1], "ijkl", 4));
    DO(recvmsg(pair[0], &bad_name, 0));
    MUST(write(pair[1], "mnop", 4));
    DO(read(pair[0], bad(), 10));
    DO(recv(pair[0], &c, 1, MSG_DONTWAIT));
    close_both(pair);
  }
}

SCENE(sending_faults) {
  for (int kind = 0; kind < 3; ++kind) {
    if (kind == 0) tcp_pair(pair);
    else if (kind == 1) unix_pair(SOCK_STREAM, pair);
    else udp_pair(pair);
    char data[4] = "abc";
    struct iovec wrong[2] = {{data, 3}, {bad(), 10}};
    struct msghdr bad_iov = {.msg_iov = bad(), .msg_iovlen = 1}, bad_buffer = {.msg_iov = &wrong[1], .msg_iovlen = 1},
                  bad_name = {.msg_iov = wrong, .msg_iovlen = 1, .msg_name = bad(), .msg_namelen = 16},
                  bad_control = {.msg_iov = wrong, .msg_iovlen = 1, .msg_control = bad(), .msg_controllen = 20};
    struct mmsghdr many[2] = {{.msg_hdr = {.msg_iov = wrong, .msg_iovlen = 1}}, {.msg_hdr = bad_iov}};
    say("kind %d", kind);
    DO(send(pair[0], bad(), 10, 0));
    DO(write(pair[0], bad(), 10));
    DO(writev(pair[0], bad(), 1));
    DO(writev(pair[0], &wrong[1], 1));
    DO(sendmsg(pair[0], bad(), 0));
    DO(sendmsg(pair[0], &bad_iov, 0));
    DO(sendmsg(pair[0], &bad_buffer, 0));
    DO(sendmsg(pair[0], &bad_name, 0));
    DO(sendmsg(pair[0], &bad_control, 0));
    DO(sendmmsg(pair[0], bad(), 1, 0));
    DO(sendmmsg(pair[0], many, 2, 0));
    DO(sendto(pair[0], data, 3, 0, bad(), 16));
    DO(recv(pair[1], data, 3, MSG_DONTWAIT));
    usleep(1000);
    close_both(pair);
  }
}

SCENE(pipe_faults) {
  pipe_pair(pipes);
  char data[8] = "abcdefg";
  struct iovec half[2] = {{data, 4}, {bad(), 4}};
  part *sender = go(send_later, &pipes[1]);
  DO(read(pipes[0], bad(), 10));
  join(sender);
  DO(read(pipes[0], data, 8));
  DO(write(pipes[1], bad(), 10));
  DO(writev(pipes[1], half, 2));
  MUST(write(pipes[1], "12345678", 8));
  DO(readv(pipes[0], half, 2));
  DO(readv(pipes[0], bad(), 2));
  char *page = read_only(4096);
  MUST(write(pipes[1], "12345678", 8));
  DO(read(pipes[0], page, 4096));
  /* A buffer that ends where memory ends. */
  DO(read(pipes[0], data, 8) > 0);
}

SCENE(waiting_faults) {
  int fd = eventfd(1, 0), set = epoll_create1(0);
  pipe_pair(pipes);
  struct sockaddr_storage at;
  DO(poll(bad(), 1, 100));
  DO(ppoll(bad(), 1, NULL, NULL));
  struct pollfd p = {pipes[0], POLLIN, 0};
  DO(syscall(SYS_ppoll, &p, 1, bad(), NULL, 8));
  DO(syscall(SYS_ppoll, &p, 1, NULL, bad(), 8));
  sigset_t none;
  sigemptyset(&none);
  DO(syscall(SYS_ppoll, &p, 1, NULL, &none, 7));
  DO(select(pipes[0] + 1, bad(), NULL, NULL, NULL));
  DO(select(pipes[0] + 1, NULL, bad(), NULL, NULL));
  DO(select(pipes[0] + 1, NULL, NULL, bad(), NULL));
  DO(syscall(SYS_pselect6, 0, NULL, NULL, NULL, NULL, bad()));
  DO(syscall(SYS_pselect6, 0, NULL, NULL, NULL, bad(), NULL));
  DO(read(fd, bad(), 8));
  MUST(eventfd_write(fd, 1));
  DO(read(fd, read_only(4096), 8));
  DO(epoll_wait(set, bad(), 1, 1));
  DO(syscall(SYS_epoll_pwait, set, &at, 1, 1, bad(), 8));
  DO(syscall(SYS_epoll_pwait2, set, &at, 1, bad(), NULL, 8));
  DO(nanosleep(bad(), NULL));
  DO(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, bad(), NULL));
  DO(wait4(-1, NULL, 0, bad()));
  DO(waitid(P_ALL, 0, bad(), WEXITED));
  DO(syscall(SYS_rt_sigtimedwait, bad(), NULL, NULL, 8));
  DO(syscall(SYS_rt_sigtimedwait, &none, NULL, bad(), 8));
  DO(syscall(SYS_rt_sigsuspend, bad(), 8));
  DO(sendfile(pipes[1], fd, bad(), 1));
  DO(open(bad(), O_RDONLY));
  DO(openat(AT_FDCWD, bad(), O_RDONLY));
  usleep(1000);
}

SCENE(connection_faults) {
  struct sockaddr_storage at;
  const int l = tcp_listener((struct sockaddr_in *)&at, 4), fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
  DO(connect(fd, bad(), 16));
  say_flags("socket", fd);
  const int client = tcp_connected((struct sockaddr_in *)&at);
  DO(accept(l, bad(), bad()));
  socklen_t size = 16;
  const int second = tcp_connected((struct sockaddr_in *)&at);
  DO(accept(l, bad(), &size));
  usleep(1000);
  close(client);
  close(second);
}
