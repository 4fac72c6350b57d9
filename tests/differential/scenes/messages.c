/* sendmsg, recvmsg and their many-message forms; datagrams, sequenced packets, descriptors and credentials that travel along. */
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "../scene.h"

#define GROUP "messages"

static int pair[2], back[2];

static void send_500(void *arg) {
  (void)arg;
  int sent = 0;
  while (sent < 500 && send(pair[0], "datagram", 8, 0) == 8) ++sent;
  say("sent %d", sent);
  char text[2][4] = {"abc", "def"};
  struct iovec parts[2] = {{text[0], 3}, {text[1], 3}};
  struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &parts[0], .msg_iovlen = 1}},
                                {.msg_hdr = {.msg_iov = &parts[1], .msg_iovlen = 1}}};
  DO(sendmmsg(pair[0], messages, 2, 0));
  say("%u %u", messages[0].msg_len, messages[1].msg_len);
}

static void receive_500(void) {
  char buffer[16];
  int got = 0;
  while (got < 500 && recv(pair[1], buffer, sizeof buffer, 0) == 8) ++got;
  say("got %d", got);
  struct iovec part = {buffer, 2};
  struct msghdr one = {.msg_iov = &part, .msg_iovlen = 1};
  DO(recvmsg(pair[1], &one, 0));
  say(one.msg_flags & MSG_TRUNC ? "cut" : "whole");
  part.iov_len = sizeof buffer;
  struct mmsghdr many = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
  DO(recvmmsg(pair[1], &many, 1, 0, NULL));
  say("length %u", many.msg_len);
}

SCENE(unix_datagrams) {
  unix_pair(SOCK_DGRAM, pair);
  part *sender = go(send_500, NULL);
  receive_500();
  join(sender);
}

SCENE(sequenced_packets) {
  unix_pair(SOCK_SEQPACKET, pair);
  part *sender = go(send_500, NULL);
  receive_500();
  join(sender);
  char c;
  struct iovec part = {&c, 1};
  struct msghdr one = {.msg_iov = &part, .msg_iovlen = 1};
  MUST(write(pair[0], "", 0));
  DO(recvmsg(pair[1], &one, 0));
  say(one.msg_flags & MSG_EOR ? "end of record" : "no end of record");
  MUST(write(pair[0], "long", 4));
  DO(recv(pair[1], &c, 1, MSG_TRUNC));
  DO(read(pair[1], &c, 0));
  MUST(close(pair[0]));
  DO(recv(pair[1], &c, 1, 0));
  DO(send(pair[1], &c, 1, MSG_NOSIGNAL));
}

static void send_sizes(void *arg) {
  (void)arg;
  char *data = bytes(3000, 's');
  hear(pair[0]);
  DO(send(pair[0], data, 3000, 0));
  DO(send(pair[0], data, 0, 0));
  DO(write(pair[0], data, 5));
  DO(send(pair[0], data, 70000, 0));
}

SCENE(udp) {
  udp_pair(pair);
  part *sender = go(send_sizes, NULL);
  char buffer[100];
  struct sockaddr_in from;
  socklen_t size = sizeof from;
  tell(pair[1]);
  DO(recv(pair[1], buffer, 100, MSG_PEEK));
  DO(recv(pair[1], buffer, 100, MSG_PEEK | MSG_TRUNC));
  DO(recvfrom(pair[1], buffer, 100, MSG_TRUNC, (struct sockaddr *)&from, &size));
  say("from family %d, %u bytes", from.sin_family, size);
  size = 3;
  DO(recvfrom(pair[1], buffer, 100, MSG_WAITALL, (struct sockaddr *)&from, &size));
  say("address of %u bytes", size);
  DO(read(pair[1], buffer, 3));
  DO(recv(pair[1], buffer, 3, MSG_DONTWAIT));
  join(sender);
  const struct timeval limit = {0, 10000};
  MUST(setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  DO(recvfrom(pair[1], buffer, 3, 0, NULL, NULL));
  size = 5;
  DO(recvfrom(pair[1], buffer, 3, 0, (struct sockaddr *)&from, &size));
}

/* Nobody listens: the ICMP answer is reported by the next call, and by the error queue. */
QUIET_SCENE(udp_refused) {
  udp_pair(pair);
  const int on = 1;
  MUST(setsockopt(pair[0], IPPROTO_IP, IP_RECVERR, &on, sizeof on));
  MUST(close(pair[1]));
  char buffer[100], control[512];
  DO(send(pair[0], "lost", 4, 0));
  DO(recv(pair[0], buffer, 100, 0));
  struct iovec part = {buffer, sizeof buffer};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  DO(recvmsg(pair[0], &message, MSG_ERRQUEUE));
  say(message.msg_flags & MSG_ERRQUEUE ? "of the queue" : "plain");
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
    struct sock_extended_err e;
    memcpy(&e, CMSG_DATA(c), sizeof e);
    say("level %d type %d: %s", c->cmsg_level, c->cmsg_type, error_name((int)e.ee_errno));
  }
  DO(recvmsg(pair[0], &message, MSG_ERRQUEUE));
  DO(recvmsg(pair[0], &message, MSG_ERRQUEUE | MSG_DONTWAIT));
}

static void receive_many(void *arg) {
  (void)arg;
  char text[8][8];
  struct iovec parts[8];
  struct mmsghdr many[8];
  memset(many, 0, sizeof many);
  for (int i = 0; i < 8; ++i) {
    parts[i] = (struct iovec){text[i], 8};
    many[i].msg_hdr.msg_iov = &parts[i];
    many[i].msg_hdr.msg_iovlen = 1;
  }
  DO(recvmmsg(pair[1], many, 3, 0, NULL));
  tell(back[1]);
  DO(recvmmsg(pair[1], many, 8, MSG_WAITFORONE, NULL) > 0);
  tell(back[1]);
  hear(back[1]);
  struct timespec limit = {100, 0};
  DO(recvmmsg(pair[1], many, 8, MSG_DONTWAIT, NULL));
  DO(recvmmsg(pair[1], many, 8, MSG_DONTWAIT, NULL));
  tell(back[1]);
  /* The limit is looked at when a message came; it is far. */
  DO(recvmmsg(pair[1], many, 2, 0, &limit));
}

SCENE(many_messages) {
  unix_pair(SOCK_DGRAM, pair);
  unix_pair(SOCK_STREAM, back);
  part *receiver = go(receive_many, NULL);
  for (int i = 0; i < 3; ++i) DO(send(pair[0], "abc", 3, 0));
  hear(back[0]);
  DO(send(pair[0], "abc", 3, 0));
  hear(back[0]);
  struct iovec part = {"x", 1};
  struct mmsghdr many[4];
  memset(many, 0, sizeof many);
  for (int i = 0; i < 4; ++i) {
    many[i].msg_hdr.msg_iov = &part;
    many[i].msg_hdr.msg_iovlen = 1;
  }
  DO(sendmmsg(pair[0], many, 4, 0));
  tell(back[0]);
  hear(back[0]);
  DO(sendmmsg(pair[0], many, 2, 0));
  many[1].msg_hdr.msg_iovlen = 5000;
  DO(sendmmsg(pair[0], many, 2, MSG_DONTWAIT));
  DO(sendmmsg(pair[0], many + 1, 1, 0));
  join(receiver);
}

static void pass(int fd, int count) {
  char space[CMSG_SPACE(3 * sizeof(int))] = "", byte = 'f';
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space,
                           .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
  for (int i = 0; i < count; ++i) memcpy(CMSG_DATA(head) + (size_t)i * sizeof(int), &fd, sizeof(int));
  AS("pass", sendmsg(pair[0], &message, 0));
}

static void pass_a_pipe(void *arg) {
  int pipes[2];
  pipe_pair(pipes);
  hear(pair[0]);
  DO(send(pair[0], "before", 6, 0));
  pass(pipes[0], 1);
  DO(send(pair[0], "after", 5, 0));
  DO(write(pipes[1], "through", 7));
  close_both(pipes);
  hear(pair[0]);
  pass(*(int *)arg, 3);
}

SCENE(passed_descriptors) {
  unix_pair(SOCK_STREAM, pair);
  int null = (int)MUST(open("/dev/null", O_RDONLY));
  part *sender = go(pass_a_pipe, &null);
  tell(pair[1]);
  char space[CMSG_SPACE(sizeof(int))], buffer[32];
  int received = -1;
  for (int got = 0; received < 0 && got < 12;) {
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    const long n = recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC);
    if (n <= 0) break;
    got += (int)n;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head != NULL) memcpy(&received, CMSG_DATA(head), sizeof received);
  }
  say_flags("received", received);
  DO(read(received, buffer, sizeof buffer));
  DO(read(received, buffer, sizeof buffer));
  DO(recv(pair[1], buffer, 5, MSG_WAITALL));
  tell(pair[1]);
  struct iovec part = {buffer, sizeof buffer};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = CMSG_LEN(sizeof(int))};
  DO(recvmsg(pair[1], &message, 0));
  say(message.msg_flags & MSG_CTRUNC ? "control cut" : "control whole");
  join(sender);
}

SCENE(credentials) {
  unix_pair(SOCK_STREAM, pair);
  const int on = 1;
  MUST(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  char space[CMSG_SPACE(sizeof(struct ucred))], c;
  struct iovec part = {&c, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  tell(pair[0]);
  DO(recvmsg(pair[1], &message, 0));
  struct ucred who;
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  if (head != NULL && head->cmsg_type == SCM_CREDENTIALS) {
    memcpy(&who, CMSG_DATA(head), sizeof who);
    say(who.pid == getpid() && who.uid == getuid() ? "mine" : "another's");
  }
  usleep(1000);
}

static void receive_named(void *arg) {
  char buffer[16];
  struct sockaddr_un from;
  socklen_t size = sizeof from;
  memset(&from, 0, sizeof from);
  DO(recvfrom(*(int *)arg, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size));
  say("from family %d, %u bytes", from.sun_family, size);
  DO(recvfrom(*(int *)arg, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size));
  say("%u bytes", size);
}

SCENE(named_datagrams) {
  struct sockaddr_un at = {.sun_family = AF_UNIX}, none = {.sun_family = AF_UNIX};
  snprintf(at.sun_path, sizeof at.sun_path, "%s", fresh_name("datagrams"));
  snprintf(none.sun_path, sizeof none.sun_path, "%s", fresh_name("none"));
  int to = (int)MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), from = (int)MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
  MUST(bind(to, (struct sockaddr *)&at, sizeof at));
  part *receiver = go(receive_named, &to);
  DO(sendto(from, "unnamed", 7, 0, (struct sockaddr *)&at, sizeof at));
  DO(sendto(from, "x", 1, 0, (struct sockaddr *)&none, sizeof none));
  DO(send(from, "x", 1, 0));
  none.sun_family = AF_UNIX;
  /* Another socket: the receiver is told the sender's name of the moment. */
  from = (int)MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
  DO(bind(from, (struct sockaddr *)&none, sizeof(sa_family_t)));
  DO(sendto(from, "abstract", 8, 0, (struct sockaddr *)&at, sizeof at));
  join(receiver);
  DO(sendto(from, "x", 1, 0, (struct sockaddr *)&at, 1));
  DO(connect(from, (struct sockaddr *)&at, sizeof at));
  MUST(close(to));
  DO(send(from, "x", 1, 0));
}
