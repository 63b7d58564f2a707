/* Page faults of every code that a process can cause, most of them answered by a signal: protection that is taken and
 * given back, the end of a shared file, the kernel's half, an address that is none, the legacy vsyscall page.
 *   faults [ROUNDS]    32 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };
static sigjmp_buf back;
static int signals;

static void count(int number) {
    (void)number;
    signals++;
    siglongjmp(back, 1);
}

static void load(volatile char *address) {
    if (!sigsetjmp(back, 1)) (void)*address;
}

static void store(volatile char *address) {
    if (!sigsetjmp(back, 1)) *address = 1;
}

static void execute(volatile char *address) {
    if (!sigsetjmp(back, 1)) ((void (*)(void))address)();
}

static void change_rights(int pages) {
    volatile char *area = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (volatile char *page = area; page < area + pages * PAGE; page += PAGE) {
        load(page);
        store(page);
        mprotect((void *)page, PAGE, PROT_READ);
        load(page);
        store(page);
        execute(page);
        mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE);
        store(page);
        execute(page);
    }
}

static void share_file(int pages) {
    const int file = memfd_create("file", 0);
    if (ftruncate(file, pages * PAGE)) exit(1);
    volatile char *area = mmap(NULL, 2 * pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    for (int page = 0; page < 2 * pages; page++) store(area + page * PAGE);
    if (fork() == 0) {
        for (int page = 0; page < pages; page++) store(area + page * PAGE);
        _exit(0);
    }
    wait(NULL);
    if (ftruncate(file, PAGE)) exit(1);
    for (int page = 0; page < pages; page++) load(area + page * PAGE);
}

static int grow_stack(int frames) {
    volatile char frame[PAGE];
    frame[0] = 1;
    return frames ? grow_stack(frames - 1) + frame[0] : 0;
}

int main(int arguments, char **values) {
    const int rounds = arguments > 1 ? atoi(values[1]) : 32;
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    change_rights(rounds);
    share_file(rounds);
    grow_stack(4 * rounds);
    char *const kernel = (char *)0xffffffff81000000, *const not_canonical = (char *)0x8000000000001000;
    char *const vsyscall = (char *)0xffffffffff600000;
    load(kernel);
    store(kernel);
    execute(kernel);
    load(not_canonical);
    load(NULL);
    load(vsyscall);
    execute(vsyscall + 0x400); /* time(): the kernel emulates it, in the handler of the fault */
    fprintf(stderr, "faults: %d signals\n", signals);
    return 0;
}
