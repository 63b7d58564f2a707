/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memlab-trace: a QEMU TCG plugin that records what an x86-64 guest does to memory, kernel and processes alike.
 *
 * It writes loads, stores, fetches (a record per block and page), loads of CR0, CR3 and CR4, INVLPG, exceptions with
 * CR2 and error code, the contents of every page when it becomes reachable as a page table, and every later store to
 * such a page with its value. The file is memlab's "raw" format, which README.md beside this file describes.
 *
 * Build:  gcc -O2 -Wall -shared -fPIC -DAPI=4 -o memlab-trace.so memlab-trace.c
 * Use:    -plugin ./memlab-trace.so,ram=FILE,out=FILE[,accesses=N][,boot=on][,cpus=N][,filter=all|page|none]
 * with the guest's RAM in the shared file `ram`, and -accel tcg,thread=single. `record` beside this file does all that.
 *
 * QEMU loads a plugin into its own process, so this file is under QEMU's licence; memlab itself never links with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- What is used of qemu-plugin.h and GLib. No Debian package ships the first; QEMU's process has both. ---- */

#ifndef API
#define API 4 /* 4: QEMU 9.2 and 10.0; 5: 10.1; 6: 10.2 and 11.0; 7: 11.1 */
#endif

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_plugin_register;
typedef struct { uint8_t *data; unsigned len; } GByteArray;
typedef struct { char *data; unsigned len; } GArray;
typedef struct { struct qemu_plugin_register *handle; const char *name; const char *feature; } register_descriptor;
enum { NO_REGISTERS, READ_REGISTERS };
enum { LOADS = 1, LOADS_AND_STORES = 3 };
typedef void (*execution_callback)(unsigned cpu, void *data);
typedef void (*memory_callback)(unsigned cpu, qemu_plugin_meminfo_t, uint64_t address, void *data);

void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, execution_callback, int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, execution_callback, int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, memory_callback, int flags, int kinds, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t, uint64_t);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *);
GArray *qemu_plugin_get_registers(void);
#if API >= 6
bool qemu_plugin_read_register(struct qemu_plugin_register *, GByteArray *);
#else
int qemu_plugin_read_register(struct qemu_plugin_register *, GByteArray *);
#endif
GByteArray *g_byte_array_new(void);
GByteArray *g_byte_array_set_size(GByteArray *, unsigned);
unsigned g_array_get_element_size(GArray *);

#if API >= 7
void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t, void (*)(unsigned, void *), void *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(struct qemu_plugin_tb *, void *), void *);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(void *), void *);
#else
void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned));
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
#endif

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = API;

/* ---- The file: little-endian words of 64 bits. A record is a head word and its payload. ---- */

enum record {
    LOAD, STORE, FETCH, TABLE_STORE, LOAD_CR3, INVLPG, TABLE, EXCEPTION, LOAD_CONTROL, END_MARK, TABLE_GONE, CPU
};
static const uint64_t magic = 0x31304352544c4d4dULL; /* "MMLTRC01" */
static const uint64_t address_bits = 0xffffffffffffULL;

enum filter { ALL, PAGE, NONE };
static enum filter filter = ALL;

static int file = -1;
static const char *path;
static bool recording;
static bool failed;
static uint64_t buffer[1 << 17];
static size_t buffered;
static uint64_t counts[16];
static uint64_t page_faults, instructions, device_stores, accesses;
static uint64_t access_limit = 20000000;

static void flush(void) {
    const char *next = (const char *)buffer;
    size_t left = buffered * sizeof *buffer;
    buffered = 0;
    while (file >= 0 && left > 0) {
        ssize_t written = write(file, next, left);
        if (written <= 0) {
            fprintf(stderr, "memlab-trace: cannot write %s: %m\n", path);
            recording = false;
            failed = true;
            kill(getpid(), SIGTERM);
            return;
        }
        next += written;
        left -= written;
    }
}

static inline void put(uint64_t word) {
    if (buffered == sizeof buffer / sizeof *buffer) flush();
    buffer[buffered++] = word;
}

/* With filter=page an access to the same page as the last one of its kind is left out, unless another kind of record
 * came between. */
static bool is_filtered(enum record kind, uint64_t head) {
    static uint64_t last_page[FETCH + 1];
    if (kind > FETCH) {
        memset(last_page, 0, sizeof last_page);
        return false;
    }
    if (filter == ALL) return false;
    if (filter == NONE) return true;
    const uint64_t mode_and_page = (head & 1ULL << 59) | (head & address_bits) >> 12 | 1ULL << 63;
    if (last_page[kind] == mode_and_page) return true;
    last_page[kind] = mode_and_page;
    return false;
}

static inline void put_head(enum record kind, bool user, uint64_t detail, uint64_t address) {
    const uint64_t head = (uint64_t)kind << 60 | (uint64_t)user << 59 | detail << 48 | (address & address_bits);
    if (is_filtered(kind, head)) return;
    counts[kind]++;
    put(head);
}

/* ---- The guest's registers ---- */

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, RIP, CR0, CR2, CR3, CR4,
       GS_BASE, KERNEL_GS_BASE, REGISTERS };
static const char *const register_names[REGISTERS] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
    "rip", "cr0", "cr2", "cr3", "cr4", "gs_base", "k_gs_base" };
static struct qemu_plugin_register *registers[REGISTERS];
static GByteArray *register_bytes;

/* Of the CPU that runs; only in callbacks that were registered with READ_REGISTERS. */
static uint64_t read_register(int number) {
    uint64_t value = 0;
    g_byte_array_set_size(register_bytes, 0);
    if (qemu_plugin_read_register(registers[number], register_bytes) > 0)
        memcpy(&value, register_bytes->data, register_bytes->len < 8 ? register_bytes->len : 8);
    return value;
}

/* ---- The guest's memory: a shared file, mapped here too, so that an entry can be read right after the store ---- */

enum { PRESENT = 1, LARGE = 1 << 7 };
static const uint64_t frame_bits = 0xffffffffff000ULL;
static uint8_t *ram;
static uint64_t ram_size, frames;
static const uint64_t nowhere = ~0ULL;

static uint64_t *ram_word(uint64_t physical) { return (uint64_t *)(ram + physical); }

static bool is_leaf(uint64_t entry, int level) { return level == 1 || (level <= 3 && (entry & LARGE)); }

static uint64_t translate(uint64_t cr3, uint64_t address) {
    uint64_t table = cr3 & frame_bits;
    for (int level = 4; level >= 1; level--) {
        const int shift = 12 + 9 * (level - 1);
        const uint64_t place = table + (address >> shift & 511) * 8;
        if (place + 8 > ram_size) return nowhere;
        const uint64_t entry = *ram_word(place);
        if (!(entry & PRESENT)) return nowhere;
        const uint64_t offset = (1ULL << shift) - 1;
        if (is_leaf(entry, level)) return (entry & frame_bits & ~offset) | (address & offset);
        table = entry & frame_bits;
    }
    return nowhere;
}

/* The value that CR3 was last seen to have: where registers cannot be read, this is at hand. */
static uint64_t last_cr3;

static uint64_t read_virtual(uint64_t address) {
    const uint64_t physical = translate(last_cr3, address);
    return physical == nowhere || physical + 8 > ram_size ? 0 : *ram_word(physical);
}

/* ---- Page tables: the pages that are reachable from a value that CR3 had ---- */

static uint16_t *references[5]; /* By level, then frame: how many entries (of tables that are known) point there. */
static uint8_t *levels;         /* By frame: bit 1 << level while the frame is a table of that level. */
static bool *is_root;
static uint64_t **seen;         /* By frame: the entries as they were last seen, to tell what a store changed. */

static uint64_t next_table(uint64_t entry, int level) {
    return (entry & PRESENT) && !is_leaf(entry, level) ? (entry & frame_bits) >> 12 : nowhere;
}

static void put_table(uint64_t frame, int level) {
    const uint64_t *entries = seen[frame];
    put_head(TABLE, false, level, frame << 12);
    for (int word = 0; word < 8; word++) {
        uint64_t non_zero = 0;
        for (int bit = 0; bit < 64; bit++)
            if (entries[word * 64 + bit]) non_zero |= 1ULL << bit;
        put(non_zero);
    }
    for (int index = 0; index < 512; index++)
        if (entries[index]) put(entries[index]);
}

static void add_reference(uint64_t frame, int level) {
    if (frame >= frames || references[level][frame]++ > 0) return;
    if (!seen[frame]) seen[frame] = malloc(4096);
    memcpy(seen[frame], ram + (frame << 12), 4096);
    levels[frame] |= 1 << level;
    put_table(frame, level);
    for (int index = 0; level > 1 && index < 512; index++)
        add_reference(next_table(seen[frame][index], level), level - 1);
}

static void drop_reference(uint64_t frame, int level) {
    if (frame >= frames || references[level][frame] == 0 || --references[level][frame] > 0) return;
    levels[frame] &= ~(1 << level);
    put_head(TABLE_GONE, false, level, frame << 12);
    for (int index = 0; level > 1 && index < 512; index++)
        drop_reference(next_table(seen[frame][index], level), level - 1);
}

static void add_root(uint64_t cr3) {
    const uint64_t frame = (cr3 & frame_bits) >> 12;
    if (frame >= frames || is_root[frame]) return;
    is_root[frame] = true;
    add_reference(frame, 4);
}

static void store_entry(uint64_t physical, bool user) {
    const uint64_t frame = physical >> 12;
    const int index = physical >> 3 & 511;
    const uint64_t new = *ram_word(physical), old = seen[frame][index];
    seen[frame][index] = new;
    put_head(TABLE_STORE, user, levels[frame], physical);
    put(new);
    put(old);
    for (int level = 4; level >= 2; level--) {
        if (!(levels[frame] & 1 << level)) continue;
        const uint64_t to = next_table(new, level), from = next_table(old, level);
        if (to != from) {
            add_reference(to, level - 1);
            drop_reference(from, level - 1);
        }
    }
    /* Nothing tells that a root was freed. The kernel maps itself by entry 511: a table without it is none any more. */
    if (is_root[frame] && index == 511 && !(new & PRESENT)) {
        is_root[frame] = false;
        drop_reference(frame, 4);
    }
}

/* ---- Virtual CPUs ----
 *
 * With thread=single QEMU runs all virtual CPUs in one thread by turns, so the order of the records is the order in
 * which things happened. It then bakes the number of the CPU that translated a block into the calls of this plugin:
 * wrong whenever another CPU runs the block. Linux keeps each CPU's own data at its own GS base in the upper half
 * (which user mode swaps away), and that tells them apart. */

enum { CPU_LIMIT = 64 };
static unsigned cpu_limit = 1; /* What -smp says. */
static unsigned cpus, cpu;     /* How many ran since the recording began, and which one runs. */
static uint64_t cpu_bases[CPU_LIMIT];

struct block { uint64_t shift; bool user; };
static struct block running; /* The block that runs: where it is beyond where it was translated, and its mode. */
static uint64_t last_fetch;

static uint64_t cpu_base(void) {
    const uint64_t base = read_register(GS_BASE);
    return base >> 63 ? base : read_register(KERNEL_GS_BASE);
}

static unsigned cpu_of(uint64_t base) {
    for (unsigned number = 0; number < cpus; number++)
        if (cpu_bases[number] == base) return number;
    if (cpus == cpu_limit) return cpu;
    cpu_bases[cpus] = base;
    return cpus++;
}

static void note_cpu(void) {
    if (cpu_limit == 1) return;
    const uint64_t base = cpu_base();
    if (!(base >> 63) || base == cpu_bases[cpu]) return;
    cpu = cpu_of(base);
    last_fetch = 0;
    last_cr3 = read_register(CR3);
    put_head(CPU, false, cpu, 0);
    put(last_cr3);
    add_root(last_cr3);
}

/* ---- Beginning and end ---- */

static uint64_t idt_base;

static void begin_recording(void) {
    if (failed) return;
    if (file >= 0) close(file);
    file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (file < 0) {
        fprintf(stderr, "memlab-trace: cannot create %s: %m\n", path);
        failed = true;
        kill(getpid(), SIGTERM);
        return;
    }
    memset(counts, 0, sizeof counts);
    buffered = 0;
    page_faults = instructions = device_stores = accesses = last_fetch = 0;
    for (int level = 1; level <= 4; level++) memset(references[level], 0, frames * sizeof **references);
    memset(levels, 0, frames);
    memset(is_root, 0, frames * sizeof *is_root);
    recording = true;
    last_cr3 = read_register(CR3);
    const uint64_t header[8] = {
        magic, ram_size, last_cr3, read_register(CR0), read_register(CR4), idt_base, filter, 0 };
    for (int word = 0; word < 8; word++) put(header[word]);
    add_root(last_cr3);
    cpus = 1;
    cpu = 0;
    if (cpu_limit > 1) cpu_bases[0] = cpu_base();
    put_head(CPU, false, 0, 0);
    put(last_cr3);
}

static void end_recording(void) {
    if (!recording) return;
    flush();
    recording = false;
    close(file);
    file = -1;
    if (failed) return;
    fprintf(stderr,
        "memlab-trace: recorded loads=%lu stores=%lu fetches=%lu instructions=%lu page-table-stores=%lu tables=%lu "
        "cr3-loads=%lu control-loads=%lu invlpg=%lu exceptions=%lu page-faults=%lu device-stores=%lu cpus=%u\n",
        counts[LOAD], counts[STORE], counts[FETCH], instructions, counts[TABLE_STORE], counts[TABLE],
        counts[LOAD_CR3], counts[LOAD_CONTROL], counts[INVLPG], counts[EXCEPTION], page_faults, device_stores, cpus);
}

/* ---- What is called while the guest runs ---- */

/* Instructions of a block that lie on one page. */
struct fetch {
    uint64_t block;   /* The block's address where it was translated, */
    uint64_t address; /* and that of these instructions. */
    unsigned count;   /* 0: the tail of an instruction that begins on the page before. */
};

static void put_fetch(const struct fetch *fetch) {
    const uint64_t address = fetch->address + running.shift;
    /* A REP instruction is a block of its own that runs once for each repetition: one fetch. */
    if (address == last_fetch && fetch->count == 1) return;
    last_fetch = address;
    instructions += fetch->count;
    accesses++;
    put_head(FETCH, running.user, fetch->count, address);
}

static void at_block(unsigned number, void *data) {
    (void)number;
    if (!recording) return;
    if (accesses >= access_limit) {
        end_recording();
        kill(getpid(), SIGTERM); /* QEMU ends in order; the guest has no more to say. */
        return;
    }
    note_cpu();
    const struct fetch *fetch = data;
    /* QEMU shares the translation of a physical page between the virtual addresses that it has: only RIP tells. */
    const uint64_t rip = read_register(RIP);
    running = (struct block){.shift = rip - fetch->block, .user = !(rip >> 63)};
    put_fetch(fetch);
}

static void at_page_of_block(unsigned number, void *data) {
    (void)number;
    if (recording) put_fetch(data);
}

static void at_access(unsigned number, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
    (void)number, (void)data;
    if (!recording) return;
    const unsigned size = qemu_plugin_mem_size_shift(info);
    const bool is_store = qemu_plugin_mem_is_store(info);
    accesses++;
    put_head(is_store ? STORE : LOAD, running.user, size, address);
    if (!is_store) return;
    const struct qemu_plugin_hwaddr *place = qemu_plugin_get_hwaddr(info, address);
    if (!place) return;
    if (qemu_plugin_hwaddr_is_io(place)) {
        device_stores++;
        return;
    }
    const uint64_t physical = qemu_plugin_hwaddr_phys_addr(place), frame = physical >> 12;
    if (frame >= frames || !levels[frame]) return;
    const uint64_t end = physical + (1ULL << size);
    for (uint64_t entry = physical & ~7ULL; entry < end && entry >> 12 == frame; entry += 8)
        store_entry(entry, running.user);
}

/* LIDT reads two bytes of limit, then eight of address. */
static void at_lidt(unsigned number, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
    (void)number, (void)data;
    const uint64_t base = qemu_plugin_mem_size_shift(info) == 3 ? read_virtual(address) : 0;
    if (base) idt_base = base;
}

struct control_load { int control, from; bool begins; };
static bool records_boot, has_begun;

/* Called before the instruction. */
static void at_control_load(unsigned number, void *data) {
    (void)number;
    const struct control_load *load = data;
    const uint64_t value = read_register(load->from);
    if (records_boot && load->begins && !has_begun) {
        has_begun = true;
        begin_recording();
    }
    if (recording) note_cpu();
    if (load->control == 3) last_cr3 = value;
    if (!recording) return;
    put_head(load->control == 3 ? LOAD_CR3 : LOAD_CONTROL, false, load->control == 3 ? 0 : load->control, 0);
    put(value);
    if (load->control == 3) add_root(value);
}

/* An address as an instruction spells it: base + index << scale + displacement. */
struct operand {
    int base, index, scale; /* -1: none */
    bool is_relative;       /* to RIP: the displacement then holds the sum where the block was translated */
    int64_t displacement;
};

static void at_invlpg(unsigned number, void *data) {
    (void)number;
    if (!recording) return;
    const struct operand *operand = data;
    uint64_t address = operand->displacement + (operand->is_relative ? running.shift : 0);
    if (operand->base >= 0) address += read_register(operand->base);
    if (operand->index >= 0) address += read_register(operand->index) << operand->scale;
    put_head(INVLPG, false, 0, address);
}

enum { PAGE_FAULT = 14 };

static bool has_error_code(unsigned vector) {
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

/* At the first block of a handler: the frame that delivery pushed is at the top of the stack. */
static void at_handler(unsigned number, void *data) {
    (void)number;
    if (!recording) return;
    note_cpu();
    const unsigned vector = (uintptr_t)data;
    uint64_t top = read_register(RSP), code = 0;
    if (has_error_code(vector)) {
        code = read_virtual(top) & 0xffffffff;
        top += 8;
    }
    const uint64_t rip = read_virtual(top);
    const bool from_user = (read_virtual(top + 8) & 3) == 3;
    page_faults += vector == PAGE_FAULT;
    last_fetch = 0;
    put_head(EXCEPTION, from_user, vector, vector == PAGE_FAULT ? read_register(CR2) : 0);
    put(code);
    put(rip);
}

static void at_mark(unsigned number, void *data) {
    (void)number;
    if (data) {
        if (!records_boot) begin_recording();
    } else if (recording) {
        put_head(END_MARK, true, 0, 0);
        end_recording();
    }
}

/* ---- What is called when QEMU translates a block ---- */

static void *copy(const void *value, size_t size) { return memcpy(malloc(size), value, size); }
#define COPY(value) copy(&(value), sizeof(value)) /* Never freed: QEMU does not tell when it forgets a block. */

/* The vector whose handler begins at an address, or -1. */
static int vector_at(uint64_t address) {
    const uint64_t physical = idt_base ? translate(last_cr3, idt_base) : nowhere;
    if (physical == nowhere || physical + 4096 > ram_size) return -1;
    for (int vector = 0; vector < 256; vector++) {
        const uint64_t *gate = ram_word(physical + 16 * vector);
        const uint64_t handler = (gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff0000) | gate[1] << 32;
        if ((gate[0] >> 47 & 1) && handler == address) return vector;
    }
    return -1;
}

/* A fetch for each page that the block lies on. */
static void instrument_fetches(struct qemu_plugin_tb *tb, uint64_t block) {
    const size_t count = qemu_plugin_tb_n_insns(tb);
    for (size_t first = 0, next; first < count; first = next) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, first);
        struct fetch fetch = {.block = block, .address = qemu_plugin_insn_vaddr(instruction)};
        const uint64_t page = fetch.address >> 12;
        struct qemu_plugin_insn *straddling = NULL;
        for (next = first; next < count && !straddling; next++) {
            struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, next);
            const uint64_t address = qemu_plugin_insn_vaddr(last);
            if (address >> 12 != page) break;
            if ((address + qemu_plugin_insn_size(last) - 1) >> 12 != page) straddling = last;
        }
        fetch.count = next - first;
        if (first == 0)
            qemu_plugin_register_vcpu_tb_exec_cb(tb, at_block, READ_REGISTERS, COPY(fetch));
        else
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, at_page_of_block, NO_REGISTERS, COPY(fetch));
        if (straddling) {
            struct fetch tail = {.block = block, .address = (page + 1) << 12, .count = 0};
            qemu_plugin_register_vcpu_insn_exec_cb(straddling, at_page_of_block, NO_REGISTERS, COPY(tail));
        }
    }
}

/* What of an instruction matters here. Intel's manual, volume 2, chapter 2: prefixes, REX, opcode, ModRM, SIB. */
struct code {
    uint8_t bytes[16];
    size_t length, opcode; /* where 0F is */
    unsigned rex;
};

static bool is_legacy_prefix(uint8_t byte) {
    return memchr("\x66\x67\xf2\xf3\x2e\x36\x3e\x26\x64\x65", byte, 10) != NULL;
}

/* False unless it is one of the two-byte opcodes, with a ModRM byte. */
static bool read_code(struct qemu_plugin_insn *instruction, struct code *code) {
    *code = (struct code){.length = 0};
    code->length = qemu_plugin_insn_data(instruction, code->bytes, sizeof code->bytes);
    size_t next = 0;
    while (next < code->length && is_legacy_prefix(code->bytes[next])) next++;
    if (next < code->length && (code->bytes[next] & 0xf0) == 0x40) code->rex = code->bytes[next++];
    code->opcode = next;
    return next + 2 < code->length && code->bytes[next] == 0x0f;
}

static int32_t displacement_at(const struct code *code, size_t place) {
    int32_t value = 0;
    if (place + 4 <= sizeof code->bytes) memcpy(&value, code->bytes + place, 4);
    return value;
}

/* The memory operand that a ModRM byte of mod 0 to 2 names. Table 2-2 and 2-3 of the same chapter. */
static struct operand read_operand(const struct code *code, uint64_t address) {
    struct operand operand = {.base = -1, .index = -1};
    size_t next = code->opcode + 2;
    const uint8_t modrm = code->bytes[next++];
    const unsigned mod = modrm >> 6, rm = modrm & 7;
    const unsigned rex_b = (code->rex & 1) << 3, rex_x = (code->rex & 2) << 2;
    bool has_displacement = mod == 2;
    if (rm == 4) {
        const uint8_t sib = code->bytes[next++];
        const int index = (sib >> 3 & 7) | rex_x;
        operand.scale = sib >> 6;
        if (index != RSP) operand.index = index; /* 4 means none */
        if ((sib & 7) == 5 && mod == 0) has_displacement = true;
        else operand.base = (sib & 7) | rex_b;
    } else if (rm == 5 && mod == 0) {
        operand.is_relative = has_displacement = true;
        operand.displacement = address + code->length;
    } else {
        operand.base = rm | rex_b;
    }
    if (has_displacement) operand.displacement += displacement_at(code, next);
    else if (mod == 1) operand.displacement = (int8_t)code->bytes[next];
    return operand;
}

/* The mark is a no-op that no compiler makes: NOPL 0x4d4c0000+N(%rax), bytes 0F 1F 80 and the displacement. */
enum { MARK = 0x4d4c0000 };

static void instrument(struct qemu_plugin_insn *instruction, bool user) {
    struct code code;
    if (!read_code(instruction, &code)) return;
    const uint8_t opcode = code.bytes[code.opcode + 1], modrm = code.bytes[code.opcode + 2];
    const unsigned mod = modrm >> 6, reg = modrm >> 3 & 7;
    if (opcode == 0x22) { /* MOV to a control register */
        struct control_load load = {
            .control = reg | (code.rex & 4) << 1, .from = (modrm & 7) | (code.rex & 1) << 3, .begins = false };
        load.begins = load.control == 3 && !user;
        if (load.control == 0 || load.control == 3 || load.control == 4)
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, at_control_load, READ_REGISTERS, COPY(load));
    } else if (opcode == 0x01 && mod != 3 && reg == 7) { /* INVLPG */
        const struct operand operand = read_operand(&code, qemu_plugin_insn_vaddr(instruction));
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, at_invlpg, READ_REGISTERS, COPY(operand));
    } else if (opcode == 0x01 && mod != 3 && reg == 3) { /* LIDT */
        qemu_plugin_register_vcpu_mem_cb(instruction, at_lidt, NO_REGISTERS, LOADS, NULL);
    } else if (opcode == 0x1f && modrm == 0x80) { /* NOPL disp32(%rax) */
        const uint32_t displacement = displacement_at(&code, code.opcode + 3);
        if ((displacement & 0xffff0000) == MARK)
            qemu_plugin_register_vcpu_insn_exec_cb(
                instruction, at_mark, READ_REGISTERS, (void *)(uintptr_t)(displacement & 0xffff));
    }
}

static void translated(struct qemu_plugin_tb *tb) {
    const uint64_t block = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    const bool user = !(block >> 63);
    const int vector = user ? -1 : vector_at(block);
    /* Callbacks come in the order in which they were asked for: the exception before its handler's first fetch. */
    if (vector >= 0)
        qemu_plugin_register_vcpu_tb_exec_cb(tb, at_handler, READ_REGISTERS, (void *)(uintptr_t)vector);
    instrument_fetches(tb, block);
    for (size_t index = 0; index < qemu_plugin_tb_n_insns(tb); index++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, index);
        instrument(instruction, user);
        qemu_plugin_register_vcpu_mem_cb(instruction, at_access, NO_REGISTERS, LOADS_AND_STORES, NULL);
    }
}

/* ---- The plugin ---- */

static void find_registers(void) {
    GArray *descriptors = qemu_plugin_get_registers();
    /* The descriptor grew in newer versions: step by what the library says. */
    const size_t size = g_array_get_element_size(descriptors);
    for (unsigned index = 0; index < descriptors->len; index++) {
        const register_descriptor *descriptor = (void *)(descriptors->data + index * size);
        for (int number = 0; number < REGISTERS; number++)
            if (!strcmp(descriptor->name, register_names[number])) registers[number] = descriptor->handle;
    }
    for (int number = 0; number < REGISTERS; number++)
        if (!registers[number]) {
            fprintf(stderr, "memlab-trace: this QEMU does not show plugins the register %s\n", register_names[number]);
            _exit(1);
        }
}

static void cpu_created(unsigned number) {
    if (number == 0) find_registers();
    if (number == 0) register_bytes = g_byte_array_new();
}

#if API >= 7
static void on_cpu(unsigned number, void *data) { (void)data; cpu_created(number); }
static void on_translation(struct qemu_plugin_tb *tb, void *data) { (void)data; translated(tb); }
static void on_exit_of_qemu(void *data) { (void)data; end_recording(); }
#define DATA , NULL
#else
static void on_cpu(qemu_plugin_id_t id, unsigned number) { (void)id; cpu_created(number); }
static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) { (void)id; translated(tb); }
static void on_exit_of_qemu(qemu_plugin_id_t id, void *data) { (void)id, (void)data; end_recording(); }
#define DATA
#endif

static const char *ram_path;

static bool take_argument(const char *argument) {
    const char *value = strchr(argument, '=');
    if (!value++) return false;
    const size_t length = value - argument;
#define IS(name) (length == sizeof name && !strncmp(argument, name "=", length))
    if (IS("ram")) ram_path = strdup(value);
    else if (IS("out")) path = strdup(value);
    else if (IS("accesses")) access_limit = strtoull(value, NULL, 0);
    else if (IS("cpus")) cpu_limit = strtoul(value, NULL, 0);
    else if (IS("boot")) records_boot = !strcmp(value, "on");
    else if (IS("filter")) filter = !strcmp(value, "page") ? PAGE : !strcmp(value, "none") ? NONE : ALL;
    else return false;
#undef IS
    return true;
}

static bool map_ram(void) {
    const int ram_file = open(ram_path, O_RDONLY);
    struct stat status;
    if (ram_file < 0 || fstat(ram_file, &status)) return false;
    ram_size = status.st_size;
    frames = ram_size >> 12;
    ram = mmap(NULL, ram_size, PROT_READ, MAP_SHARED, ram_file, 0);
    close(ram_file);
    return ram != MAP_FAILED;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments) {
    (void)info;
    for (int index = 0; index < count; index++)
        if (!take_argument(arguments[index])) {
            fprintf(stderr, "memlab-trace: unknown argument %s\n", arguments[index]);
            return -1;
        }
    if (!path || !ram_path || cpu_limit < 1 || cpu_limit > CPU_LIMIT) {
        fprintf(stderr, "memlab-trace: needs out=FILE and ram=FILE, and cpus from 1 to %d\n", CPU_LIMIT);
        return -1;
    }
    if (!map_ram()) {
        fprintf(stderr, "memlab-trace: cannot map %s: %m\n", ram_path);
        return -1;
    }
    for (int level = 1; level <= 4; level++) references[level] = calloc(frames, sizeof **references);
    levels = calloc(frames, sizeof *levels);
    is_root = calloc(frames, sizeof *is_root);
    seen = calloc(frames, sizeof *seen);
    qemu_plugin_register_vcpu_init_cb(id, on_cpu DATA);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation DATA);
    qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
    return 0;
}
