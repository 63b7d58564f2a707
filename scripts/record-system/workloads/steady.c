/* A steady state: random updates of memory that was touched before, then a sweep. TLB misses, no page-table change.
 *   steady [MIB] [UPDATES] [HUGE]    48, 1500000, 0: pages of 4 KiB, 1: of 2 MiB where the kernel will */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "mark.h"

enum { PAGE = 4096, LARGE_PAGE = 2 << 20 };

int main(int count, char **arguments) {
    const size_t length = (size_t)(count > 1 ? atoi(arguments[1]) : 48) << 20;
    const long updates = count > 2 ? atol(arguments[2]) : 1500000;
    const int huge = count > 3 && atoi(arguments[3]);
    char *area = mmap(NULL, length + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t *words = (uint64_t *)(((uintptr_t)area + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1));
    madvise(words, length, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    const size_t size = length / sizeof *words;
    for (size_t at = 0; at < size; at += PAGE / sizeof *words) words[at] = at;
    MEMLAB_BEGIN();
    uint64_t random = 88172645463325252;
    for (long update = 0; update < updates; update++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        words[random % size] ^= random;
    }
    uint64_t sum = 0;
    for (size_t at = 0; at < size; at += 8) sum += words[at];
    MEMLAB_END();
    return (int)(sum & 1);
}
