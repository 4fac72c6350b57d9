/* Files on disk, and locks on them. */
#include <dirent.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "../scene.h"

#define GROUP "files"

static int file, back[2];

static void work_on_disk(void *arg) {
  const char *name = arg, *other = fresh_name("other"), *directory = fresh_name("directory"), *link_name = fresh_name("link");
  struct stat st;
  char buffer[16] = "";
  const int fd = (int)MUST(open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
  say_flags("created", fd);
  DO(open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
  DO(open(other, O_RDONLY));
  DO(open(name, O_RDONLY | O_DIRECTORY));
  DO(open(name, O_TMPFILE | O_RDONLY, 0600));
  DO(openat(-1, "relative", O_RDONLY));
  DO(openat(AT_FDCWD, "", O_RDONLY));
  DO(creat("/no/such/place", 0600));
  DO(write(fd, "0123456789", 10));
  DO(fsync(fd));
  DO(fdatasync(fd));
  DO(syncfs(fd));
  DO(sync_file_range(fd, 0, 10, SYNC_FILE_RANGE_WRITE));
  DO(fstat(fd, &st));
  say("%ld %o", (long)st.st_size, st.st_mode & 07777);
  DO(stat(name, &st));
  DO(lstat(name, &st));
  DO(fstatat(AT_FDCWD, name, &st, AT_SYMLINK_NOFOLLOW));
  struct statx stx;
  DO(statx(AT_FDCWD, name, 0, STATX_SIZE, &stx));
  say("%ld", (long)stx.stx_size);
  DO(access(name, R_OK | W_OK));
  DO(faccessat(AT_FDCWD, other, F_OK, 0));
  DO(ftruncate(fd, 4));
  DO(pread(fd, buffer, 16, 0));
  DO(truncate(name, 6));
  DO(fallocate(fd, 0, 0, 100));
  DO_ERROR(posix_fallocate(fd, 0, 200));
  DO_ERROR(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
  DO(readahead(fd, 0, 100));
  DO(rename(name, other));
  DO(renameat2(AT_FDCWD, other, AT_FDCWD, name, RENAME_NOREPLACE));
  DO(link(name, other));
  DO(renameat2(AT_FDCWD, other, AT_FDCWD, name, RENAME_NOREPLACE));
  DO(symlink(name, link_name));
  DO(readlink(link_name, buffer, 5));
  DO(open(link_name, O_RDONLY | O_NOFOLLOW));
  DO(unlink(link_name));
  DO(unlink(link_name));
  DO(mkdir(directory, 0700));
  DO(mkdir(directory, 0700));
  DO(rmdir(name));
  DO(unlink(directory));
  DO(chmod(name, 0600));
  DO(fchmod(fd, 0600));
  DO(utimensat(AT_FDCWD, name, NULL, 0));
  struct statvfs vfs;
  DO(statvfs(name, &vfs));
  struct statfs fs;
  DO(fstatfs(fd, &fs));
  DIR *d = opendir(directory);
  int entries = 0;
  while (d != NULL && readdir(d) != NULL) ++entries;
  say("%d entries", entries);
  if (d != NULL) DO(closedir(d));
  DO(rmdir(directory));
  void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  memcpy(at, "mapped", 6);
  DO(msync(at, 4096, MS_SYNC));
  DO(msync(at, 4096, 77));
  DO(munmap(at, 4096));
  DO(pread(fd, buffer, 6, 0));
  say("%.6s", buffer);
  DO(getxattr(name, "user.none", buffer, 1) >= 0 ? 0 : errno == ENODATA || errno == EOPNOTSUPP ? 0 : -1);
  DO(unlink(other));
  DO(unlink(name));
  DO(close(fd));
  DO(fsync(fd));
  DO(fsync(-1));
  DO(syncfs(-1));
  sync();
  int pipes[2];
  pipe_pair(pipes);
  DO(fsync(pipes[0]));
  DO(fdatasync(pipes[1]));
  DO(ftruncate(pipes[1], 1));
}

/* Whether such a call goes to another thread is for Weft to decide: no park is asked for. */
QUIET_SCENE(disk_calls) { work_on_disk((void *)fresh_name("file")); }

static void sync_some(void *arg) {
  const int fd = *(int *)arg;
  DO(fsync(fd));
  DO(fdatasync(fd));
  DO(close(fd));
}

SCENE(many_sync) {
  part *all[8];
  int files[8];
  for (int i = 0; i < 8; ++i) {
    files[i] = disk_file(100000);
    all[i] = go(sync_some, &files[i]);
  }
  for (int i = 0; i < 8; ++i) join(all[i]);
}

static void lock_and_tell(void *arg) {
  const int fd = *(int *)arg;
  AS("flock", flock(fd, LOCK_EX));
  tell(back[1]);
  AS("unlock", flock(fd, LOCK_UN));
}

SCENE(flocks) {
  const char *name = fresh_name("locked");
  pipe_pair(back);
  file = (int)MUST(open(name, O_RDWR | O_CREAT, 0600));
  int second = (int)MUST(open(name, O_RDWR)), third = (int)MUST(open(name, O_RDWR));
  DO(flock(file, LOCK_EX));
  DO(flock(second, LOCK_EX | LOCK_NB));
  DO(flock(second, LOCK_SH | LOCK_NB));
  part *p = go(lock_and_tell, &second);
  await_blocked(p);
  DO(flock(third, LOCK_EX | LOCK_NB));
  DO(flock(file, LOCK_UN));
  hear(back[0]);
  join(p);
  DO(flock(second, LOCK_SH));
  DO(flock(third, LOCK_SH));
  p = go(lock_and_tell, &file);
  await_blocked(p);
  MUST(close(second));
  MUST(close(third));
  join(p);
  DO(flock(file, 77));
  DO(flock(-1, LOCK_EX));
  DO(flock(back[0], LOCK_EX | LOCK_NB));
}

static void lock_by_file(void *arg) {
  const int fd = *(int *)arg;
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  AS("lock", fcntl(fd, F_OFD_SETLKW, &whole));
  whole.l_type = F_UNLCK;
  AS("unlock", fcntl(fd, F_OFD_SETLK, &whole));
}

SCENE(open_file_locks) {
  const char *name = fresh_name("locked");
  file = (int)MUST(open(name, O_RDWR | O_CREAT, 0600));
  int second = (int)MUST(open(name, O_RDWR));
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
  DO(fcntl(file, F_OFD_SETLK, &lock));
  DO(fcntl(second, F_OFD_SETLK, &lock));
  part *p = go(lock_by_file, &second);
  await_blocked(p);
  lock.l_type = F_UNLCK;
  DO(fcntl(file, F_OFD_SETLKW, &lock));
  join(p);
  lock.l_type = 77;
  DO(fcntl(file, F_OFD_SETLKW, &lock));
  DO(fcntl(file, F_OFD_SETLKW, bad()));
  DO(fcntl(-1, F_OFD_SETLKW, &lock));
}

static void lock_record(void *arg) {
  (void)arg;
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 5};
  DO(fcntl(file, F_SETLKW, &lock));
  DO(lockf(file, F_ULOCK, 0));
}

/* Record locks belong to processes: another one holds it. */
SCENE(record_locks) {
  pipe_pair(back);
  int ready[2];
  pipe_pair(ready);
  file = disk_file(100);
  const pid_t child = fork();
  if (child == 0) {
    char c;
    close(back[1]);
    if (lockf(file, F_LOCK, 10) != 0) _exit(1);
    tell(ready[1]);
    _exit(read(back[0], &c, 1) == 0 ? 0 : 2);
  }
  hear(ready[0]);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 5};
  DO(fcntl(file, F_SETLK, &lock) == -1 && (errno == EAGAIN || errno == EACCES) ? 0 : -1);
  DO(fcntl(file, F_GETLK, &lock));
  say("%d %d", lock.l_type == F_WRLCK, lock.l_pid == child);
  DO(lockf(file, F_TEST, 10) == -1 ? 0 : -1);
  DO(lockf(file, F_TLOCK, 10) == -1 ? 0 : -1);
  part *p = go(lock_record, NULL);
  await_blocked(p);
  MUST(close(back[1]));
  join(p);
  int status;
  MUST(waitpid(child, &status, 0));
  say("%d", WEXITSTATUS(status));
  /* The same process takes it twice. */
  DO(lockf(file, F_LOCK, 10));
  DO(lockf(file, F_LOCK, 10));
}
