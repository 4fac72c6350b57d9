/* Waits for asynchronous I/O: Linux AIO and io_uring, through their raw calls, and POSIX aio through libc. */
#include <aio.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "../scene.h"

#define GROUP "asynchronous"

static int pair[2];

static void write_later(void *arg) {
  (void)arg;
  usleep(3000);
  tell(pair[1]);
}

SCENE(linux_aio) {
  aio_context_t context = 0;
  DO(syscall(SYS_io_setup, 8, &context));
  pipe_pair(pair);
  struct iocb request = {.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = (uint32_t)pair[0], .aio_buf = POLLIN, .aio_data = 77};
  struct iocb *list[1] = {&request};
  struct io_event events[4];
  struct timespec limit = {0, 3 * MS};
  DO(syscall(SYS_io_getevents, context, 1, 4, events, &limit));
  DO(syscall(SYS_io_getevents, context, 0, 4, events, NULL));
  DO(syscall(SYS_io_submit, context, 1, list));
  part *writer = go(write_later, NULL);
  DO(syscall(SYS_io_getevents, context, 1, 4, events, NULL));
  say("%lu %ld", (unsigned long)events[0].data, (long)events[0].res);
  join(writer);
  DO(syscall(SYS_io_getevents, context, 5, 4, events, NULL));
  DO(syscall(SYS_io_getevents, bad(), 1, 4, events, NULL));
  DO(syscall(SYS_io_getevents, context, 1, 4, events, bad()));
  DO(syscall(SYS_io_destroy, context));
}

/* One poll request, waited for by io_uring_enter. */
SCENE(io_uring_enter) {
  struct io_uring_params params = {0};
  const int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
  if (ring < 0) {
    say("no rings here");
    usleep(1000);
    return;
  }
  const size_t size = params.sq_off.array + params.sq_entries * sizeof(uint32_t) + params.cq_off.cqes +
                      params.cq_entries * sizeof(struct io_uring_cqe);
  char *rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
  struct io_uring_sqe *sqes =
      mmap(NULL, params.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
  if (rings == MAP_FAILED || sqes == MAP_FAILED) abort();
  pipe_pair(pair);
  memset(sqes, 0, sizeof *sqes);
  sqes[0].opcode = IORING_OP_POLL_ADD;
  sqes[0].fd = pair[0];
  sqes[0].poll32_events = POLLIN;
  sqes[0].user_data = 78;
  *(uint32_t *)(rings + params.sq_off.array) = 0;
  __atomic_store_n((uint32_t *)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
  part *writer = go(write_later, NULL);
  DO(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
  const struct io_uring_cqe *cqes = (const struct io_uring_cqe *)(rings + params.cq_off.cqes);
  say("%lu %d", (unsigned long)cqes[0].user_data, cqes[0].res);
  join(writer);
  DO(syscall(SYS_io_uring_enter, -1, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0));
  DO(syscall(SYS_io_uring_enter, pair[0], 0, 1, IORING_ENTER_GETEVENTS, NULL, 0));
}

/* libc makes threads for these; the part waits for them. */
SCENE(posix_aio) {
  const int file = disk_file(100);
  char buffer[32];
  struct aiocb request = {.aio_fildes = file, .aio_buf = buffer, .aio_nbytes = 32, .aio_offset = 90};
  const struct aiocb *list[1] = {&request};
  DO(aio_read(&request));
  while (aio_error(&request) == EINPROGRESS) QUIETLY(aio_suspend(list, 1, NULL));
  DO(aio_return(&request));
  usleep(1000);
}
