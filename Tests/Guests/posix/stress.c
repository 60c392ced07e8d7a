// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// posixcheck stress DIR: several processes at random operations in one tree, DIR/stress, which is left for the other
// side to look at. Every call may fail in the ways that a race with another process explains, and in no other. What a
// process does depends on the seed and its number; with one process a run repeats exactly.

#include "stress.h"

#include <sys/file.h>
#include <sys/xattr.h>

enum { most_held = 8, most_path = 64 };

struct shared *shared;

static struct {
  uint64_t seed, operations, processes;
} options;

static bool has_attributes, punches;
static unsigned process;
static long number;
static uint64_t dice;

// Files that this process has open; the names may be gone long since.
static struct {
  int fd;
  uint32_t slot;
} held[most_held];
static int held_count;

static void report(const char *words) {
  if (atomic_exchange(&shared->reported, true)) return;
  printf("not ok stress: seed %llu, process %u, operation %ld: %s\n", (unsigned long long)options.seed, process, number,
         words);
  print_history();
  printf("again: posixcheck stress DIR --seed %llu --processes %llu --operations %llu\n",
         (unsigned long long)options.seed, (unsigned long long)options.processes,
         (unsigned long long)options.operations);
  fflush(stdout);
}

// True if the call succeeded; fails unless a race explains the error. Names may be gone or be something else by now.
static bool tolerated(long result, const char *what, int one, int two, int three) {
  atomic_fetch_add(&shared->done, 1);
  if (result != -1) return true;
  atomic_fetch_add(&shared->refused, 1);
  if (errno == ENOENT || errno == ENOTDIR) return false;
  if (errno == one || errno == two || errno == three) return false;
  fail("%s: %s", what, strerror(errno));
}

// The top, or one of a few directories below it.
static int some_directory(char *path) {
  switch (roll(&dice, 3)) {
    case 0: return sprintf(path, "%s", "");
    case 1: return sprintf(path, "d%ld/", roll(&dice, 4));
    default: return sprintf(path, "d%ld/e%ld/", roll(&dice, 4), roll(&dice, 3));
  }
}

// Few names, so that the processes meet.
static void some_name(char *path) {
  int end = some_directory(path);
  sprintf(path + end, "f%ld", roll(&dice, 12));
}

static void some_directory_name(char *path) {
  if (roll(&dice, 2) == 0) sprintf(path, "d%ld", roll(&dice, 4));
  else sprintf(path, "d%ld/e%ld", roll(&dice, 4), roll(&dice, 3));
}

static void any_name(char *path) {
  if (roll(&dice, 4) == 0) some_directory_name(path);
  else some_name(path);
}

static bool lock(int fd, int kind) {
  if (flock(fd, kind | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK) fail("flock: %s", strerror(errno));
  return false;
}

static void unlock(int fd) { must(flock(fd, LOCK_UN)); }

static void let_go(int index) {
  must(close(held[index].fd));
  held[index] = held[--held_count];
}

static void hold(int fd, uint32_t slot) {
  if (held_count == most_held) let_go((int)roll(&dice, most_held));
  held[held_count].fd = fd;
  held[held_count++].slot = slot;
}

// Never 0, and different for every operation of every process.
static uint32_t write_number(void) { return (uint32_t)number * 64 + process + 1; }

static void write_blocks(int fd, uint32_t slot, uint32_t first, uint32_t count) {
  static char data[most_blocks * block_size];
  struct slot *known = &shared->slots[slot];
  for (uint32_t i = 0; i < count; i++) make_block(slot, first + i, write_number(), data + i * block_size);
  size_t size = (size_t)count * block_size;
  same(must(pwrite(fd, data, size, (off_t)first * block_size)), size);
  for (uint32_t i = known->blocks; i < first; i++) known->writes[i] = 0;
  for (uint32_t i = 0; i < count; i++) known->writes[first + i] = write_number();
  if (first + count > known->blocks) known->blocks = first + count;
}

static void do_create(void) {
  char path[most_path];
  some_name(path);
  remember(number, "create %s", path);
  int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (!tolerated(fd, "create", EEXIST, 0, 0)) return;
  uint32_t slot = atomic_fetch_add(&shared->next_slot, 1);
  if (slot < shared->slot_count && lock(fd, LOCK_EX)) {
    write_blocks(fd, slot, 0, 1 + (uint32_t)roll(&dice, 20));
    unlock(fd);
    hold(fd, slot);
  } else {
    must(close(fd));
  }
}

static void do_open(void) {
  char path[most_path];
  some_name(path);
  remember(number, "open %s", path);
  int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (!tolerated(fd, "open", ELOOP, EISDIR, 0)) return;
  bool mine = lock(fd, LOCK_SH);
  if (mine && is_born(fd)) {
    uint32_t slot = read_slot(fd);
    expect_content(fd, slot);
    unlock(fd);
    hold(fd, slot);
  } else {
    must(close(fd));
  }
}

static void do_write(void) {
  if (held_count == 0) return;
  int i = (int)roll(&dice, held_count);
  uint32_t first = (uint32_t)roll(&dice, most_blocks), count = 1 + (uint32_t)roll(&dice, most_blocks - first);
  bool appends = roll(&dice, 3) == 0;
  remember(number, "write file %u", held[i].slot);
  if (!lock(held[i].fd, LOCK_EX)) return;
  if (appends) first = shared->slots[held[i].slot].blocks;
  if (appends && count > most_blocks - first) count = most_blocks - first;
  if (count > 0) write_blocks(held[i].fd, held[i].slot, first, count);
  unlock(held[i].fd);
  atomic_fetch_add(&shared->done, 1);
}

static void do_read(void) {
  if (held_count == 0) return;
  int i = (int)roll(&dice, held_count);
  remember(number, "read file %u", held[i].slot);
  if (!lock(held[i].fd, LOCK_SH)) return;
  expect_content(held[i].fd, held[i].slot);
  unlock(held[i].fd);
  atomic_fetch_add(&shared->done, 1);
}

static void do_truncate(void) {
  if (held_count == 0) return;
  int i = (int)roll(&dice, held_count);
  struct slot *known = &shared->slots[held[i].slot];
  uint32_t blocks = 1 + (uint32_t)roll(&dice, most_blocks);
  remember(number, "truncate file %u to %u blocks", held[i].slot, blocks);
  if (!lock(held[i].fd, LOCK_EX)) return;
  must(ftruncate(held[i].fd, (off_t)blocks * block_size));
  for (uint32_t block = known->blocks; block < blocks; block++) known->writes[block] = 0;
  known->blocks = blocks;
  unlock(held[i].fd);
  atomic_fetch_add(&shared->done, 1);
}

static void do_punch(void) {
  if (held_count == 0 || !punches) return;
  int i = (int)roll(&dice, held_count);
  struct slot *known = &shared->slots[held[i].slot];
  // Not the first block, which says whose the file is.
  uint32_t first = 1 + (uint32_t)roll(&dice, most_blocks - 1), count = 1 + (uint32_t)roll(&dice, 16);
  remember(number, "punch file %u at block %u +%u", held[i].slot, first, count);
  if (!lock(held[i].fd, LOCK_EX)) return;
  must(fallocate(held[i].fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)first * block_size,
                 (off_t)count * block_size));
  for (uint32_t block = first; block < first + count && block < known->blocks; block++) known->writes[block] = 0;
  unlock(held[i].fd);
  atomic_fetch_add(&shared->done, 1);
}

static void do_sync(void) {
  if (held_count == 0) return;
  int i = (int)roll(&dice, held_count);
  remember(number, "sync file %u", held[i].slot);
  must(roll(&dice, 2) == 0 ? fsync(held[i].fd) : fdatasync(held[i].fd));
}

static void do_close(void) {
  if (held_count == 0) return;
  int i = (int)roll(&dice, held_count);
  remember(number, "close file %u", held[i].slot);
  let_go(i);
}

static void do_make_directory(void) {
  char path[most_path];
  some_directory_name(path);
  remember(number, "mkdir %s", path);
  tolerated(mkdir(path, 0755), "mkdir", EEXIST, 0, 0);
}

static void do_remove_directory(void) {
  char path[most_path];
  some_directory_name(path);
  remember(number, "rmdir %s", path);
  tolerated(rmdir(path), "rmdir", ENOTEMPTY, EEXIST, 0);
}

static void do_link(void) {
  char path[most_path], other[most_path];
  some_name(path);
  some_name(other);
  remember(number, "link %s %s", path, other);
  // EPERM: it is a directory by now.
  tolerated(linkat(AT_FDCWD, path, AT_FDCWD, other, 0), "link", EEXIST, EPERM, 0);
}

static void do_symlink(void) {
  char path[most_path], target[256];
  some_name(path);
  make_target(options.seed, write_number(), target, sizeof target);
  remember(number, "symlink %s", path);
  tolerated(symlink(target, path), "symlink", EEXIST, 0, 0);
}

static void do_rename(void) {
  char path[most_path], other[most_path];
  any_name(path);
  any_name(other);
  static const char *const words[] = {"", " noreplace", " exchange"};
  long flags = roll(&dice, 3);
  remember(number, "rename %s %s%s", path, other, words[flags]);
  long result = syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, other, (unsigned)flags);
  // EINVAL: into itself.
  bool occupied = result == -1 && (errno == ENOTEMPTY || errno == EEXIST);
  if (!occupied) tolerated(result, "rename", EINVAL, EISDIR, 0);
}

static void do_unlink(void) {
  char path[most_path];
  some_name(path);
  remember(number, "unlink %s", path);
  tolerated(unlink(path), "unlink", EISDIR, EPERM, 0);
}

static void do_list(void) {
  char path[most_path];
  some_directory_name(path);
  remember(number, "list %s", path);
  DIR *dir = opendir(roll(&dice, 4) == 0 ? "." : path);
  if (!tolerated(dir == NULL ? -1 : 0, "opendir", 0, 0, 0)) return;
  errno = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL; errno = 0)
    if (strchr("def.", entry->d_name[0]) == NULL) fail("a name that nobody made: %s", entry->d_name);
  // A directory that is removed meanwhile may say so.
  if (errno != 0) tolerated(-1, "readdir", 0, 0, 0);
  closedir(dir);
}

static void do_status(void) {
  char path[most_path];
  any_name(path);
  remember(number, "lstat %s", path);
  struct stat st;
  tolerated(lstat(path, &st), "lstat", 0, 0, 0);
}

static void do_mode(void) {
  char path[most_path];
  any_name(path);
  mode_t mode = 0700 | (mode_t)roll(&dice, 0100);
  remember(number, "chmod %s %o", path, mode);
  tolerated(chmod(path, mode), "chmod", 0, 0, 0);
}

static void do_attribute(void) {
  if (!has_attributes) return;
  char path[most_path], name[32], value[most_value + 1];
  any_name(path);
  sprintf(name, "user.stress%ld", roll(&dice, 4));
  long kind = roll(&dice, 3);
  static const char *const words[] = {"setxattr", "getxattr", "removexattr"};
  remember(number, "%s %s %s", words[kind], path, name);
  if (kind == 0) {
    size_t size = make_value(name, write_number(), value);
    tolerated(setxattr(path, name, value, size, 0), words[kind], ENOSPC, 0, 0);
  } else if (kind == 1) {
    ssize_t size = getxattr(path, name, value, sizeof value);
    if (tolerated(size, words[kind], ENODATA, 0, 0)) expect_value(name, value, (size_t)size);
  } else {
    tolerated(removexattr(path, name), words[kind], ENODATA, 0, 0);
  }
}

static const struct {
  void (*run)(void);
  int weight;
} kinds[] = {
    {do_create, 14},
    {do_open, 12},
    {do_write, 16},
    {do_read, 12},
    {do_truncate, 6},
    {do_punch, 3},
    {do_sync, 1},
    {do_close, 4},
    {do_link, 6},
    {do_symlink, 4},
    {do_make_directory, 6},
    {do_remove_directory, 4},
    {do_rename, 12},
    {do_unlink, 10},
    {do_list, 5},
    {do_status, 8},
    {do_mode, 4},
    {do_attribute, 8},
};
enum { kind_count = sizeof kinds / sizeof *kinds };

static void work(void) {
  int total = 0;
  for (int i = 0; i < kind_count; i++) total += kinds[i].weight;
  for (number = 1; number <= (long)options.operations; number++) {
    dice = dice_for(options.seed, process + 1, (uint64_t)number);
    long point = roll(&dice, total);
    int i = 0;
    while ((point -= kinds[i].weight) >= 0) i++;
    kinds[i].run();
  }
  // What is still open, whether it has a name or not, is right as well.
  for (int i = 0; i < held_count; i++) {
    if (!lock(held[i].fd, LOCK_SH)) continue;
    expect_content(held[i].fd, held[i].slot);
    unlock(held[i].fd);
  }
}

static void ask_features(void) {
  int fd = make_file("probe", 0600);
  has_attributes = fsetxattr(fd, "user.stress", "x", 1, 0) == 0;
  must(ftruncate(fd, 4 * block_size));
  punches = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, block_size, block_size) == 0;
  must(close(fd));
  must(unlink("probe"));
  printf("stress: seed %llu, %llu processes, %llu operations each%s%s\n", (unsigned long long)options.seed,
         (unsigned long long)options.processes, (unsigned long long)options.operations,
         has_attributes ? "" : "; without attributes", punches ? "" : "; without holes");
  fflush(stdout);
}

static bool take_options(int count, char **arguments) {
  options.seed = fresh_seed();
  options.operations = 2000;
  options.processes = 4;
  for (int i = 0; i < count;)
    if (!take_number(&i, count, arguments, "--seed", &options.seed) &&
        !take_number(&i, count, arguments, "--operations", &options.operations) &&
        !take_number(&i, count, arguments, "--processes", &options.processes))
      return false;
  return options.processes >= 1 && options.processes <= 63 && options.operations <= 1 << 24;
}

// All processes at once; false, with the others ended, as soon as one has failed.
static bool run_processes(void) {
  pid_t workers[64];
  for (process = 0; process < options.processes; process++) {
    workers[process] = (pid_t)must(fork());
    if (workers[process] != 0) continue;
    work();
    _exit(0);
  }
  bool good = true;
  for (unsigned left = process; left > 0; left--) {
    int result = 0;
    must(wait(&result));
    if (result == 0) continue;
    if (WIFSIGNALED(result) && good) fail("a process was ended by signal %d", WTERMSIG(result));
    for (unsigned i = 0; good && i < process; i++) kill(workers[i], SIGKILL);
    good = false;
  }
  return good;
}

int run_stress(const char *directory, int count, char **arguments) {
  if (!take_options(count, arguments)) {
    fprintf(stderr, "usage: posixcheck stress DIR [--seed N] [--processes 1...63] [--operations N]\n");
    return 2;
  }
  uint64_t slots = options.processes * (options.operations / 4 + 64);
  size_t size = sizeof *shared + slots * sizeof(struct slot);
  shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    fprintf(stderr, "posixcheck: no memory for %llu files\n", (unsigned long long)slots);
    return 2;
  }
  shared->slot_count = (uint32_t)slots;
  report_failures_with(report);
  must(chdir(directory));
  must(mkdir("stress", 0755));
  must(chdir("stress"));
  ask_features();
  // Some of the places where the processes will look, so that the first calls find something.
  static const char *const places[] = {"d0", "d1", "d2", "d0/e0", "d1/e1", "d2/e2"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) must(mkdir(places[i], 0755));
  if (!run_processes()) return 1;
  remember(0, "verify the tree");
  int base = (int)must(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  long entries = verify_tree(base);
  printf("ok stress: seed %llu, %lu calls, %lu of them refused; %ld entries, %u files made\n",
         (unsigned long long)options.seed, atomic_load(&shared->done), atomic_load(&shared->refused), entries,
         atomic_load(&shared->next_slot));
  return 0;
}
