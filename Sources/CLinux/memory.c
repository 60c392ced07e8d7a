// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The SIGBUS handler and the table of ranges that it looks at. The handler may interrupt any thread at any place: it
// takes no lock and calls only mmap, write and sigaction (signal-safety(7); mmap is a bare system call). Threads that
// add and remove ranges exclude each other by a mutex; the handler reads each entry under its sequence number.

#include "clinux_memory.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *clinux_map_zeroes(size_t size, int *error) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  *error = p == MAP_FAILED ? errno : 0;
  if (p == MAP_FAILED) return NULL;
  // One word written must not cost two megabytes.
  madvise(p, size, MADV_NOHUGEPAGE);
  return p;
}

struct entry {
  atomic_uint sequence;  // odd while the entry is being changed
  atomic_uintptr_t start, end;
  atomic_size_t page;
  _Atomic(uint32_t *) lost;
  atomic_int event;
};

enum { entries_per_block = 256, most_blocks = 1024 };

// Blocks are only ever added: an entry never moves.
static _Atomic(struct entry *) blocks[most_blocks];
static atomic_int block_count;
static pthread_mutex_t changes = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous;
static int is_installed;

struct range {
  uintptr_t start, end;
  size_t page;
  uint32_t *lost;
  int event;
};

// A consistent copy of an entry.
static struct range load(struct entry *e) {
  for (;;) {
    unsigned before = atomic_load_explicit(&e->sequence, memory_order_acquire);
    struct range r = {
        atomic_load_explicit(&e->start, memory_order_relaxed), atomic_load_explicit(&e->end, memory_order_relaxed),
        atomic_load_explicit(&e->page, memory_order_relaxed),  atomic_load_explicit(&e->lost, memory_order_relaxed),
        atomic_load_explicit(&e->event, memory_order_relaxed),
    };
    atomic_thread_fence(memory_order_acquire);
    if ((before & 1) == 0 && atomic_load_explicit(&e->sequence, memory_order_relaxed) == before) return r;
  }
}

static void store(struct entry *e, struct range r) {
  unsigned before = atomic_load_explicit(&e->sequence, memory_order_relaxed);
  atomic_store_explicit(&e->sequence, before + 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_release);
  atomic_store_explicit(&e->start, r.start, memory_order_relaxed);
  atomic_store_explicit(&e->end, r.end, memory_order_relaxed);
  atomic_store_explicit(&e->page, r.page, memory_order_relaxed);
  atomic_store_explicit(&e->lost, r.lost, memory_order_relaxed);
  atomic_store_explicit(&e->event, r.event, memory_order_relaxed);
  atomic_store_explicit(&e->sequence, before + 2, memory_order_release);
}

static int put_zeroes(uintptr_t start, uintptr_t end) {
  void *p = mmap((void *)start, end - start, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return p != MAP_FAILED;
}

static int replace(uintptr_t address) {
  int count = atomic_load_explicit(&block_count, memory_order_acquire);
  for (int b = 0; b < count; b++) {
    struct entry *block = atomic_load_explicit(&blocks[b], memory_order_relaxed);
    for (int i = 0; i < entries_per_block; i++) {
      struct range r = load(&block[i]);
      if (address < r.start || address >= r.end) continue;
      uintptr_t page = address - (address - r.start) % r.page;
      // Only this page: what a system call finds missing elsewhere shall go on being EFAULT, not zeroes in a file. The
      // whole range if the process has as many mappings as it may have (vm.max_map_count).
      // Said first: nobody may find the zeroes without finding this.
      __atomic_store_n(r.lost, 1, __ATOMIC_SEQ_CST);
      if (!put_zeroes(page, page + r.page) && !put_zeroes(r.start, r.end)) return 0;
      uint64_t one = 1;
      // A full counter is a signal that is there already.
      if (write(r.event, &one, sizeof one) < 0) {}
      return 1;
    }
  }
  return 0;
}

static void handle(int number, siginfo_t *info, void *context) {
  int saved = errno;
  // BUS_ADRERR: there is no page behind the address. A broken memory cell (BUS_MCEERR_AR) is not ours to hide.
  int mended = info->si_code == BUS_ADRERR && replace((uintptr_t)info->si_addr);
  // What is not mended happens again at once, and then it is for whoever was there before.
  if (!mended) sigaction(SIGBUS, &previous, NULL);
  errno = saved;
}

// Called with the mutex held.
static int install(void) {
  if (is_installed) return 0;
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, &action, &previous) < 0) return -errno;
  is_installed = 1;
  return 0;
}

// Called with the mutex held.
static int free_entry(void) {
  int count = atomic_load_explicit(&block_count, memory_order_relaxed);
  for (int b = 0; b < count; b++)
    for (int i = 0; i < entries_per_block; i++)
      if (atomic_load_explicit(&blocks[b][i].end, memory_order_relaxed) == 0) return b * entries_per_block + i;
  if (count == most_blocks) return -ENOMEM;
  struct entry *block = calloc(entries_per_block, sizeof *block);
  if (!block) return -ENOMEM;
  atomic_store_explicit(&blocks[count], block, memory_order_relaxed);
  atomic_store_explicit(&block_count, count + 1, memory_order_release);
  return count * entries_per_block;
}

int clinux_guard(void *start, size_t size, size_t page, uint32_t *lost, int event) {
  pthread_mutex_lock(&changes);
  int number = install();
  if (number == 0) number = free_entry();
  if (number >= 0) {
    struct range r = {(uintptr_t)start, (uintptr_t)start + size, page, lost, event};
    store(&blocks[number / entries_per_block][number % entries_per_block], r);
  }
  pthread_mutex_unlock(&changes);
  return number;
}

void clinux_unguard(int number) {
  pthread_mutex_lock(&changes);
  store(&blocks[number / entries_per_block][number % entries_per_block], (struct range){0});
  pthread_mutex_unlock(&changes);
}
