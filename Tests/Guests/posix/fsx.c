// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// posixcheck fsx DIR: random operations on one file, each held against a model in memory. What an operation does is
// known from the seed, its number and the size of the file by then, so a run can be repeated, and `--replay-from`
// leaves the operations before a number to the model alone.

#include "fsx.h"

enum { page = 4096, most_per_operation = 65536 };

// What the file system may lack. Asked before the run, so that a replay takes the same path.
enum feature { keep_size, punch, zero_range, collapse, insert, copy_range, mapping, direct, feature_count };
static const char *const feature_names[feature_count] = {
    "keep-size", "punch-hole", "zero-range", "collapse", "insert", "copy-range", "mapping", "direct",
};

static struct {
  uint64_t seed, operations, length, replay_from;
  bool wants_direct;
} options;

static bool can[feature_count];
static struct model model;
static char path[PATH_MAX];
// The file twice: `file` as the last reopening chose, `plain` always buffered, for mappings and as the second opinion.
static int file = -1, plain = -1;
static bool file_is_direct;
// Whether operations are done, or only thought.
static bool live;
static long number;
static unsigned char *buffer;
static unsigned long done[16];

struct range {
  long offset, length;
};

static long at_most(long value, long limit) { return value < limit ? value : limit; }

// Sizes of all sorts: a few bytes, whole pages, up to the largest.
static long some_length(uint64_t *dice) {
  switch (roll(dice, 4)) {
    case 0: return 1 + roll(dice, 512);
    case 1: return page * (1 + roll(dice, 8));
    default: return 1 + roll(dice, most_per_operation);
  }
}

// A range below `limit`; of whole pages for those who need that.
static struct range some_range(uint64_t *dice, long limit, bool whole_pages) {
  struct range range = {roll(dice, limit), some_length(dice)};
  if (roll(dice, 4) == 0) range.offset -= range.offset % page;
  if (whole_pages) {
    range.offset -= range.offset % page;
    range.length += page - 1;
    range.length -= range.length % page;
  }
  range.length = at_most(range.length, limit - range.offset);
  if (whole_pages) range.length -= range.length % page;
  return range;
}

// Every other byte tells the operation, the rest are random: a wrong byte says where it comes from.
static void fill(uint64_t *dice, long length) {
  for (long i = 0; i < length; i += 2) {
    buffer[i] = (unsigned char)number;
    buffer[i + 1] = (unsigned char)(next_random(dice) >> 24);
  }
}

static long read_all(int fd, long offset, long length) {
  long total = 0;
  while (total < length) {
    long n = must(pread(fd, buffer + total, (size_t)(length - total), offset + total));
    if (n == 0) break;
    total += n;
    // The rest of a direct read would not be aligned.
    if (total % page != 0) break;
  }
  return total;
}

static void write_all(int fd, long offset, long length) {
  for (long total = 0; total < length;)
    total += must(pwrite(fd, buffer + total, (size_t)(length - total), offset + total));
}

static void open_file(int flags) {
  file = (int)must(open(path, O_RDWR | O_CLOEXEC | flags));
  plain = (int)must(open(path, O_RDWR | O_CLOEXEC));
}

static void *map(long offset, long length, int protection) {
  void *memory = mmap(NULL, (size_t)length, protection, MAP_SHARED, plain, offset);
  if (memory == MAP_FAILED) fail("mmap of %ld bytes at %ld: %s", length, offset, strerror(errno));
  return memory;
}

// Compares through a mapping; the rest of the last page must be zeros.
static void expect_mapped(long offset, long length, const char *how) {
  long start = offset - offset % page, end = offset + length;
  unsigned char *memory = map(start, end - start, PROT_READ);
  model_expect(&model, offset, memory + (offset - start), length, how);
  if (end == model.size)
    for (long i = end - start; i % page != 0; i++)
      if (memory[i] != 0) fail("byte %ld behind the end is %02x in a mapping", start + i, memory[i]);
  must(munmap(memory, (size_t)(end - start)));
}

static void expect_read(int fd, long offset, long length, const char *how) {
  while (length > 0) {
    long part = at_most(length, most_per_operation);
    same(read_all(fd, offset, part), part);
    model_expect(&model, offset, buffer, part, how);
    offset += part;
    length -= part;
  }
}

static void expect_whole_file(uint64_t *dice) {
  if (!live) return;
  long way = roll(dice, 3);
  if (way == 0 && can[mapping] && model.size > 0) {
    expect_mapped(0, model.size, "a mapping of the whole file");
  } else if (way == 1) {
    int fd = (int)must(open(path, O_RDONLY | O_CLOEXEC));
    expect_read(fd, 0, model.size, "reading the whole file anew");
    must(close(fd));
  } else {
    expect_read(plain, 0, model.size, "reading the whole file");
  }
}

static struct range do_read(uint64_t *dice) {
  struct range range = some_range(dice, at_most(model.size + page, model.most), file_is_direct);
  remember(number, "read      %7ld +%ld%s", range.offset, range.length, file_is_direct ? " direct" : "");
  long expected = at_most(range.length, model.size > range.offset ? model.size - range.offset : 0);
  if (live) {
    long seen = read_all(file, range.offset, range.length);
    if (seen != expected) fail("read gave %ld bytes and not %ld", seen, expected);
    model_expect(&model, range.offset, buffer, expected, "read");
  }
  return (struct range){0, 0};
}

static struct range do_write(uint64_t *dice) {
  struct range range = some_range(dice, model.most, file_is_direct);
  remember(number, "write     %7ld +%ld%s", range.offset, range.length, file_is_direct ? " direct" : "");
  fill(dice, range.length);
  if (live) write_all(file, range.offset, range.length);
  if (range.length > 0) model_write(&model, range.offset, buffer, range.length, number);
  return range;
}

static struct range do_append(uint64_t *dice) {
  struct range range = {model.size, at_most(some_length(dice), model.most - model.size)};
  remember(number, "append    %7ld +%ld", range.offset, range.length);
  fill(dice, range.length);
  if (live) {
    int fd = (int)must(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));
    write_fully(fd, buffer, (size_t)range.length);
    must(close(fd));
  }
  model_write(&model, range.offset, buffer, range.length, number);
  return range;
}

static struct range do_truncate(uint64_t *dice) {
  long before = model.size, size = roll(dice, model.most + 1);
  bool by_path = roll(dice, 2) == 0;
  remember(number, "truncate  %7ld to %ld%s", before, size, by_path ? " by path" : "");
  if (live) must(by_path ? truncate(path, size) : ftruncate(file, size));
  model_resize(&model, size, number);
  // What a file lost must not come back.
  long start = at_most(before, size);
  return (struct range){start, at_most(size - start, most_per_operation)};
}

static struct range do_map_read(uint64_t *dice) {
  if (model.size == 0) return do_write(dice);
  struct range range = some_range(dice, model.size, false);
  remember(number, "mapread   %7ld +%ld", range.offset, range.length);
  if (live) expect_mapped(range.offset, range.length, "mapping");
  return (struct range){0, 0};
}

static struct range do_map_write(uint64_t *dice) {
  struct range range = some_range(dice, model.most, false);
  long start = range.offset - range.offset % page, end = range.offset + range.length;
  bool syncs = roll(dice, 2) == 0;
  remember(number, "mapwrite  %7ld +%ld%s", range.offset, range.length, syncs ? " msync" : "");
  fill(dice, range.length);
  if (live) {
    if (end > model.size) must(ftruncate(plain, end));
    unsigned char *memory = map(start, end - start, PROT_READ | PROT_WRITE);
    memcpy(memory + (range.offset - start), buffer, (size_t)range.length);
    if (syncs) must(msync(memory, (size_t)(end - start), MS_SYNC));
    must(munmap(memory, (size_t)(end - start)));
  }
  model_write(&model, range.offset, buffer, range.length, number);
  return range;
}

static struct range do_allocate(uint64_t *dice) {
  bool keep = can[keep_size] && roll(dice, 2) == 0;
  struct range range = some_range(dice, model.most, false);
  remember(number, "allocate  %7ld +%ld%s", range.offset, range.length, keep ? " keeping the size" : "");
  if (live) must(fallocate(plain, keep ? FALLOC_FL_KEEP_SIZE : 0, range.offset, range.length));
  if (!keep && range.offset + range.length > model.size)
    model_resize(&model, range.offset + range.length, number);
  return range;
}

static struct range do_punch(uint64_t *dice) {
  struct range range = some_range(dice, model.most, false);
  remember(number, "punch     %7ld +%ld", range.offset, range.length);
  if (live) must(fallocate(plain, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, range.offset, range.length));
  model_zero(&model, range.offset, range.length, number);
  return range;
}

static struct range do_zero(uint64_t *dice) {
  bool keep = roll(dice, 2) == 0;
  struct range range = some_range(dice, model.most, false);
  remember(number, "zero      %7ld +%ld%s", range.offset, range.length, keep ? " keeping the size" : "");
  int flags = FALLOC_FL_ZERO_RANGE | (keep ? FALLOC_FL_KEEP_SIZE : 0);
  if (live) must(fallocate(plain, flags, range.offset, range.length));
  model_zero(&model, range.offset, range.length, number);
  if (!keep && range.offset + range.length > model.size)
    model_resize(&model, range.offset + range.length, number);
  return range;
}

static struct range do_collapse(uint64_t *dice) {
  struct range range = some_range(dice, model.size, true);
  // All of it, or up to the end, would be a truncation and is refused.
  if (range.offset + range.length >= model.size) range.length -= page;
  if (range.length <= 0) return do_write(dice);
  remember(number, "collapse  %7ld +%ld", range.offset, range.length);
  if (live) must(fallocate(plain, FALLOC_FL_COLLAPSE_RANGE, range.offset, range.length));
  model_collapse(&model, range.offset, range.length);
  return (struct range){range.offset, model.size - range.offset};
}

static struct range do_insert(uint64_t *dice) {
  struct range range = some_range(dice, model.size, true);
  range.length = at_most(range.length, model.most - model.size);
  range.length -= range.length % page;
  if (range.length <= 0) return do_truncate(dice);
  remember(number, "insert    %7ld +%ld", range.offset, range.length);
  if (live) must(fallocate(plain, FALLOC_FL_INSERT_RANGE, range.offset, range.length));
  model_insert(&model, range.offset, range.length, number);
  return (struct range){range.offset, model.size - range.offset};
}

static struct range do_copy(uint64_t *dice) {
  struct range from = some_range(dice, model.size, false);
  long to = roll(dice, model.most - from.length + 1);
  // The ranges may not overlap.
  if (from.length == 0 || (to < from.offset + from.length && from.offset < to + from.length)) return do_read(dice);
  remember(number, "copy      %7ld +%ld to %ld", from.offset, from.length, to);
  if (live) {
    off_t source = from.offset, target = to;
    for (long left = from.length; left > 0;) {
      long n = must(copy_file_range(plain, &source, plain, &target, (size_t)left, 0));
      if (n == 0) fail("copy_file_range ended %ld bytes early", left);
      left -= n;
    }
  }
  model_copy(&model, from.offset, to, from.length, number);
  return (struct range){to, from.length};
}

static struct range do_sync(uint64_t *dice) {
  long kind = roll(dice, 3);
  static const char *const kinds[] = {"fsync", "fdatasync", "fsync, and out of the cache"};
  remember(number, "%s", kinds[kind]);
  if (live) {
    must(kind == 1 ? fdatasync(plain) : fsync(plain));
    if (kind == 2) posix_fadvise(plain, 0, 0, POSIX_FADV_DONTNEED);
  }
  return (struct range){0, 0};
}

static struct range do_reopen(uint64_t *dice) {
  int flags = roll(dice, 4) == 0 ? O_SYNC : 0;
  file_is_direct = can[direct] && roll(dice, 2) == 0;
  if (file_is_direct) flags |= O_DIRECT;
  remember(number, "reopen%s%s", flags & O_SYNC ? " O_SYNC" : "", file_is_direct ? " O_DIRECT" : "");
  if (live) {
    must(close(file));
    must(close(plain));
    open_file(flags);
  }
  return (struct range){0, at_most(model.size, most_per_operation)};
}

static const struct {
  const char *name;
  struct range (*run)(uint64_t *dice);
  int weight;
  // The feature without which it does not run; -1 for none.
  int needs;
} kinds[] = {
    {"read", do_read, 20, -1},
    {"write", do_write, 20, -1},
    {"append", do_append, 6, -1},
    {"truncate", do_truncate, 8, -1},
    {"mapread", do_map_read, 8, mapping},
    {"mapwrite", do_map_write, 10, mapping},
    {"allocate", do_allocate, 4, keep_size},
    {"punch", do_punch, 6, punch},
    {"zero", do_zero, 6, zero_range},
    {"collapse", do_collapse, 3, collapse},
    {"insert", do_insert, 3, insert},
    {"copy", do_copy, 8, copy_range},
    {"sync", do_sync, 4, -1},
    {"reopen", do_reopen, 4, -1},
};
enum { kind_count = sizeof kinds / sizeof *kinds };

static void step(void) {
  uint64_t dice = dice_for(options.seed, 0, (uint64_t)number);
  int total = 0, chosen = 0;
  for (int i = 0; i < kind_count; i++)
    if (kinds[i].needs < 0 || can[kinds[i].needs]) total += kinds[i].weight;
  long point = roll(&dice, total);
  for (int i = 0; i < kind_count; i++) {
    if (kinds[i].needs >= 0 && !can[kinds[i].needs]) continue;
    chosen = i;
    if ((point -= kinds[i].weight) < 0) break;
  }
  struct range touched = kinds[chosen].run(&dice);
  done[chosen]++;
  if (!live) return;
  same(fd_status(file).st_size, model.size);
  same(status(path).st_size, model.size);
  touched.length = at_most(touched.length, model.size - touched.offset);
  if (touched.length > 0) expect_read(plain, touched.offset, touched.length, "reading afterwards");
}

static bool fallocates(int fd, int mode) { return fallocate(fd, mode, 0, page) == 0; }

// On a file of its own: some of the questions change it.
static void ask_features(void) {
  char probe[PATH_MAX + 8];
  snprintf(probe, sizeof probe, "%s.probe", path);
  int fd = make_file(probe, 0600);
  must(ftruncate(fd, 16 * page));
  can[keep_size] = fallocates(fd, FALLOC_FL_KEEP_SIZE) && fallocates(fd, 0);
  can[punch] = fallocates(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
  can[zero_range] = fallocates(fd, FALLOC_FL_ZERO_RANGE) && fallocates(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
  can[collapse] = fallocates(fd, FALLOC_FL_COLLAPSE_RANGE);
  can[insert] = fallocates(fd, FALLOC_FL_INSERT_RANGE);
  off_t from = 0, to = 8 * page;
  can[copy_range] = copy_file_range(fd, &from, fd, &to, page, 0) == page;
  void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  can[mapping] = memory != MAP_FAILED;
  int raw = options.wants_direct ? open(probe, O_RDWR | O_DIRECT | O_CLOEXEC) : -1;
  can[direct] = raw >= 0;
  if (raw >= 0) must(close(raw));
  if (memory != MAP_FAILED) must(munmap(memory, page));
  must(close(fd));
  must(unlink(probe));
  printf("fsx: seed %llu, %llu operations, at most %ld bytes; without", (unsigned long long)options.seed,
         (unsigned long long)options.operations, model.most);
  for (int i = 0; i < feature_count; i++)
    if (!can[i]) printf(" %s", feature_names[i]);
  printf("\n");
  fflush(stdout);
}

static void report(const char *words) {
  printf("not ok fsx: seed %llu, operation %ld: %s\n", (unsigned long long)options.seed, number, words);
  print_history();
  printf("again: posixcheck fsx DIR --seed %llu --operations %ld --length %ld%s\n", (unsigned long long)options.seed,
         number, model.most, options.wants_direct ? " --direct" : "");
  fflush(stdout);
}

static void on_bus_error(int signal_number) {
  (void)signal_number;
  report("a mapped page of the file could not be had (SIGBUS)");
  _exit(1);
}

static bool take_options(int count, char **arguments) {
  options.seed = fresh_seed();
  options.operations = 10000;
  options.length = 256 << 10;
  for (int i = 0; i < count;) {
    if (take_number(&i, count, arguments, "--seed", &options.seed) ||
        take_number(&i, count, arguments, "--operations", &options.operations) ||
        take_number(&i, count, arguments, "--length", &options.length) ||
        take_number(&i, count, arguments, "--replay-from", &options.replay_from))
      continue;
    if (strcmp(arguments[i], "--direct") == 0) options.wants_direct = true;
    else return false;
    i++;
  }
  return options.length >= 2 * page && options.length % page == 0 && options.length < 1 << 30;
}

// Gives the file what the model has by now.
static void go_live(void) {
  live = true;
  for (long offset = 0; offset < model.size; offset += most_per_operation) {
    long part = at_most(model.size - offset, most_per_operation);
    memcpy(buffer, model.bytes + offset, (size_t)part);
    write_all(plain, offset, part);
  }
  if (file_is_direct) {
    must(close(file));
    must(close(plain));
    open_file(O_DIRECT);
  }
}

int run_fsx(const char *directory, int count, char **arguments) {
  if (!take_options(count, arguments)) {
    fprintf(stderr,
            "usage: posixcheck fsx DIR [--seed N] [--operations N] [--length BYTES] [--replay-from N] [--direct];"
            " BYTES are whole pages, at least two\n");
    return 2;
  }
  report_failures_with(report);
  signal(SIGBUS, on_bus_error);
  model_make(&model, (long)options.length);
  // Two pages more: the direct read at the end asks for whole ones.
  buffer = aligned_alloc(page, most_per_operation + 2 * page);
  snprintf(path, sizeof path, "%s/fsx.%d", directory, (int)getpid());
  ask_features();
  must(close(make_file(path, 0600)));
  open_file(0);
  for (number = 1; number <= (long)options.operations; number++) {
    if (!live && number >= (long)options.replay_from) go_live();
    step();
    uint64_t dice = dice_for(options.seed, 1, (uint64_t)number);
    if (number % 64 == 0) expect_whole_file(&dice);
  }
  int fd = (int)must(open(path, O_RDONLY | O_CLOEXEC));
  expect_read(fd, 0, model.size, "reading it all at the end");
  must(unlink(path));
  printf("ok fsx: seed %llu, %ld operations:", (unsigned long long)options.seed, number - 1);
  for (int i = 0; i < kind_count; i++) printf(" %s %lu", kinds[i].name, done[i]);
  printf("\n");
  return 0;
}
