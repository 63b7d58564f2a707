/* Copy on write: a parent touches its memory, then forks children one after another; each writes to an eighth of the
 * pages and ends, and the parent writes to a sixteenth.
 *   cowfork [MIB] [CHILDREN] [HUGE]    16, 12, 0: pages of 4 KiB, 1: of 2 MiB where the kernel will */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

int main(int count, char **arguments) {
    const size_t length = (size_t)(count > 1 ? atoi(arguments[1]) : 16) << 20;
    const int children = count > 2 ? atoi(arguments[2]) : 12;
    const int huge = count > 3 && atoi(arguments[3]);
    char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, length, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    for (size_t at = 0; at < length; at += PAGE) memory[at] = 1;
    for (int number = 0; number < children; number++) {
        if (fork() == 0) {
            for (size_t at = (size_t)(number % 8) * PAGE; at < length; at += 8 * PAGE) memory[at]++;
            _exit(0);
        }
        wait(NULL);
        for (size_t at = (size_t)(number % 16) * PAGE; at < length; at += 16 * PAGE) memory[at]++;
    }
    return 0;
}
