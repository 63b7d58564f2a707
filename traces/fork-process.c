#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <string.h>
static char data[8192];
int main(void) {
  char *m = mmap(0, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 16; i++) m[i * 4096] = i;
  mprotect(m, 4096, PROT_READ);
  madvise(m + 4096, 4096, MADV_DONTNEED);
  m[4096] = 1;
  m = mremap(m, 16 * 4096, 24 * 4096, MREMAP_MAYMOVE);
  char *end = sbrk(8192);
  end[0] = 1;
  pid_t child = fork();
  if (child == 0) {
    data[0] = m[8192];
    _exit(0);
  }
  waitpid(child, 0, 0);
  data[4096] = 2;
  munmap(m, 24 * 4096);
  return 0;
}
