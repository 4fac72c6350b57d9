/* System V message queues and semaphores, POSIX message queues and semaphores between parts. */
#include <mqueue.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include "../scene.h"

#define GROUP "queues"

struct message {
  long type;
  char text[64];
};

static int id, back[2];

static void receive_typed(void *arg) {
  struct message m;
  const long type = (long)arg;
  AS("received", msgrcv(id, &m, sizeof m.text, type, 0));
  say("%ld %.5s", m.type, m.text);
}

SCENE(sysv_messages) {
  id = (int)MUST(msgget(IPC_PRIVATE, 0600));
  struct message m = {3, "three"};
  part *three = go(receive_typed, (void *)3L), *any = go(receive_typed, (void *)-2L);
  await_blocked(three);
  await_blocked(any);
  DO(msgsnd(id, &m, 5, 0));
  join(three);
  m = (struct message){1, "first"};
  DO(msgsnd(id, &m, 5, 0));
  join(any);
}

static void send_until_full(void *arg) {
  (void)arg;
  struct message m = {1, ""};
  int sent = 0;
  while (msgsnd(id, &m, 64, IPC_NOWAIT) == 0) ++sent;
  say("%s", error_name(errno));
  tell(back[1]);
  DO(msgsnd(id, &m, 64, 0));
}

SCENE(sysv_full_queue) {
  id = (int)MUST(msgget(IPC_PRIVATE, 0600));
  pipe_pair(back);
  part *sender = go(send_until_full, NULL);
  hear(back[0]);
  await_blocked(sender);
  struct message m;
  DO(msgrcv(id, &m, 64, 0, 0));
  join(sender);
  DO(msgrcv(id, &m, 1, 0, 0));
  DO(msgrcv(id, &m, 1, 0, MSG_NOERROR));
  DO(msgctl(id, IPC_RMID, NULL));
  DO(msgrcv(id, &m, 64, 0, IPC_NOWAIT));
  DO(msgsnd(id, &m, 64, 0));
}

static void receive_until_removed(void *arg) {
  (void)arg;
  struct message m;
  DO(msgrcv(id, &m, 64, 0, 0));
}

SCENE(sysv_removed) {
  id = (int)MUST(msgget(IPC_PRIVATE, 0600));
  struct message m = {0, ""};
  DO(msgrcv(id, &m, 64, 0, IPC_NOWAIT));
  DO(msgsnd(id, &m, 5, 0));
  m.type = 1;
  DO(msgsnd(id, &m, (size_t)-1, 0));
  DO(msgsnd(id, bad(), 5, 0));
  DO(msgsnd(-1, &m, 5, 0));
  part *p = go(receive_until_removed, NULL);
  await_blocked(p);
  DO(msgctl(id, IPC_RMID, NULL));
  join(p);
}

static void take_semaphore(void *arg) {
  struct sembuf down = {0, -2, 0}, zero = {1, 0, 0};
  (void)arg;
  DO(semop(id, &down, 1));
  DO(semop(id, &zero, 1));
}

SCENE(sysv_semaphores) {
  id = (int)MUST(semget(IPC_PRIVATE, 2, 0600));
  struct sembuf up = {0, 1, 0}, down = {0, -1, IPC_NOWAIT}, both[2] = {{0, 1, 0}, {1, 1, 0}}, one_down = {1, -1, 0};
  DO(semop(id, &down, 1));
  part *p = go(take_semaphore, NULL);
  await_blocked(p);
  DO(semop(id, &up, 1));
  await_blocked(p);
  DO(semop(id, both, 2));
  await_blocked(p);
  DO(semctl(id, 0, GETVAL));
  DO(semctl(id, 1, GETVAL));
  DO(semop(id, &one_down, 1));
  join(p);
  struct timespec limit = {0, 3 * MS};
  DO(semtimedop(id, &one_down, 1, &limit));
  limit.tv_nsec = -1;
  DO(semtimedop(id, &one_down, 1, &limit));
  limit.tv_nsec = 0;
  DO(semtimedop(id, &one_down, 1, &limit));
  up.sem_num = 9;
  DO(semop(id, &up, 1));
  DO(semop(id, bad(), 1));
  DO(semop(id, &up, 100000));
  DO(semop(id, &up, 0));
  DO(semop(-1, &up, 1));
  p = go(take_semaphore, NULL);
  await_blocked(p);
  DO(semctl(id, 0, IPC_RMID));
  join(p);
}

static mqd_t queue;

static void receive_posix(void *arg) {
  char text[64] = "";
  unsigned priority = 0;
  (void)arg;
  DO(mq_receive(queue, text, sizeof text, &priority));
  say("%.5s %u", text, priority);
}

SCENE(posix_messages) {
  char name[64], text[64];
  snprintf(name, sizeof name, "/weft-scene-%d", (int)getpid());
  struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 64}, now;
  queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
  if (queue == (mqd_t)-1) {
    say("no queues here: %s", error_name(errno));
    return;
  }
  MUST(mq_unlink(name));
  DO(mq_open(name, O_RDWR));
  part *p = go(receive_posix, NULL);
  await_blocked(p);
  DO(mq_send(queue, "hello", 5, 7));
  join(p);
  struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  at.tv_nsec += 3 * MS;
  if (at.tv_nsec >= 1000 * MS) at = (struct timespec){at.tv_sec + 1, at.tv_nsec - 1000 * MS};
  DO(mq_timedreceive(queue, text, 64, NULL, &at));
  DO(mq_receive(queue, text, 3, NULL));
  DO(mq_send(queue, text, 65, 0));
  DO(mq_send(queue, "one", 3, 1));
  DO(mq_send(queue, "two", 3, 2));
  DO(mq_timedsend(queue, "three", 5, 3, &at));
  at.tv_nsec = -1;
  DO(mq_timedsend(queue, "three", 5, 3, &at));
  p = go(receive_posix, NULL);
  DO(mq_send(queue, "three", 5, 3));
  join(p);
  attr.mq_flags = O_NONBLOCK;
  DO(mq_setattr(queue, &attr, &now));
  say("%ld before", now.mq_flags);
  DO(mq_send(queue, "four", 4, 3));
  DO(mq_receive(queue, text, 64, NULL));
  DO(mq_receive(queue, text, 64, NULL));
  DO(mq_receive(queue, text, 64, NULL));
  DO(mq_send(-1, "x", 1, 0));
  DO(mq_close(queue));
}
