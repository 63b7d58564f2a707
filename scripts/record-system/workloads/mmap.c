/* Map, touch, protect, move, unmap, in an order that a fixed seed decides.
 *   mmap [STEPS]    1500 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096, AREAS = 16, LIMIT = 8 << 20 };
struct area { volatile char *start; size_t length; };
static uint32_t state = 1;

static void create(struct area *area) {
    area->length = (1 + (state >> 22 & 63)) * PAGE;
    area->start = mmap(NULL, area->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t at = 0; at < area->length; at += PAGE) area->start[at] = 1;
}

static void destroy(struct area *area) {
    munmap((void *)area->start, area->length);
    area->start = NULL;
}

static void grow(struct area *area) {
    mprotect((void *)area->start, area->length, PROT_READ | PROT_WRITE);
    void *moved = mremap((void *)area->start, area->length, 2 * area->length, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED) return;
    *area = (struct area){moved, 2 * area->length};
    area->start[area->length - 1] = 1;
}

static void change(struct area *area) {
    const size_t half = area->length / 2 & ~(size_t)(PAGE - 1);
    if (state >> 20 & 1) mprotect((void *)area->start, half, PROT_READ);
    else madvise((void *)area->start, half, MADV_DONTNEED);
    (void)area->start[0];
    if (state >> 21 & 3) destroy(area);
    else grow(area);
    if (area->start && area->length > LIMIT) destroy(area);
}

int main(int count, char **arguments) {
    struct area areas[AREAS] = {{0}};
    for (int steps = count > 1 ? atoi(arguments[1]) : 1500; steps > 0; steps--) {
        state = state * 1103515245 + 12345;
        struct area *area = &areas[state >> 16 & (AREAS - 1)];
        if (area->start) change(area);
        else create(area);
    }
    return 0;
}
