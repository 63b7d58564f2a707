/* TLB shootdowns: a thread reads a buffer again and again while others of its address space map, touch, protect and
 * unmap. Of use with --cpus 2 or more.
 *   shootdown [ROUNDS] [READERS]    150, 1 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096, BUFFER = 1 << 20, PIECE = 1 << 16 };
static volatile int is_over;
static volatile char *buffer;

static volatile char *map(size_t length) {
    volatile char *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t at = 0; at < length; at += PAGE) start[at] = 1;
    return start;
}

static void *read_again(void *unused) {
    while (!is_over)
        for (size_t at = 0; at < BUFFER; at += PAGE) (void)buffer[at];
    return unused;
}

int main(int count, char **arguments) {
    const int rounds = count > 1 ? atoi(arguments[1]) : 150, readers = count > 2 ? atoi(arguments[2]) : 1;
    pthread_t threads[readers];
    buffer = map(BUFFER);
    for (int reader = 0; reader < readers; reader++) pthread_create(&threads[reader], NULL, read_again, NULL);
    for (int round = 0; round < rounds; round++) {
        volatile char *piece = map(PIECE);
        mprotect((void *)piece, PIECE, PROT_READ);
        munmap((void *)piece, PIECE);
    }
    is_over = 1;
    for (int reader = 0; reader < readers; reader++) pthread_join(threads[reader], NULL);
    return 0;
}
