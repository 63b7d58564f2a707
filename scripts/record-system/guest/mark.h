/* Where a recording begins and ends, said by the program that is recorded: no-ops that the recorder looks for.
 * A second beginning throws away what was recorded so far. */
#define MEMLAB_MARK(number) __asm__ volatile(".byte 0x0f,0x1f,0x80; .long %c0" ::"i"(0x4d4c0000 + (number)) : "memory")
#define MEMLAB_BEGIN() MEMLAB_MARK(1)
#define MEMLAB_END() MEMLAB_MARK(0)
