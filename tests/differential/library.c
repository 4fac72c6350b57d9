/* What scenes/streams.c opens at run time: a library that waits in a system call, once through libc, once by an instruction of its own. */
#include <sys/syscall.h>
#include <unistd.h>

long library_read(int fd) {
  char c;
  return read(fd, &c, 1);
}

long library_read_inline(int fd) {
  char c;
  long result = SYS_read;
  __asm__ volatile("syscall" : "+a"(result) : "D"(fd), "S"(&c), "d"(1) : "rcx", "r11", "memory");
  return result;
}
