// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The vocabulary of posixcheck. A check is a function that runs in a process of its own,
// inside an empty directory of its own; it returns when all is well and leaves through
// fail() or skip() otherwise, so it need not close, unlink or restore anything.

#ifndef POSIXCHECK_CHECK_H
#define POSIXCHECK_CHECK_H

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct check {
  const char *title;
  void (*body)(void);
};

// Each topic's table, ended by a row without a title. main.c lists them in order.
extern const struct check open_checks[];
extern const struct check io_checks[];
extern const struct check append_checks[];
extern const struct check truncate_checks[];
extern const struct check range_checks[];
extern const struct check mapping_checks[];
extern const struct check name_checks[];
extern const struct check directory_checks[];
extern const struct check readdir_checks[];
extern const struct check rename_checks[];
extern const struct check link_checks[];
extern const struct check unlinked_checks[];
extern const struct check mode_checks[];
extern const struct check time_checks[];
extern const struct check xattr_checks[];
extern const struct check acl_checks[];
extern const struct check lock_checks[];
extern const struct check permission_checks[];
extern const struct check special_checks[];

// The two ways out of a check that did not simply return.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define PLACE_TEXT(line) #line
#define PLACE_LINE(line) PLACE_TEXT(line)
#define PLACE __FILE_NAME__ ":" PLACE_LINE(__LINE__) ": "
#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif

// The call must succeed; gives its value.
#define must(call) succeeded((long)(call), PLACE #call)

// The call must fail with this error.
#define refuses(error, call) refused(error, (long)(call), PLACE #call)

// Both must be the same number; the second is what was expected.
#define same(seen, expected) compare((long long)(seen), (long long)(expected), PLACE #seen)

#define truth(condition) ((condition) ? (void)0 : fail("%s is not so", PLACE #condition))

long succeeded(long value, const char *what);
void refused(int error, long value, const char *what);
void compare(long long seen, long long expected, const char *what);

// Leaves as a skip if the last call failed because the file system lacks the feature.
void skip_if_unsupported(long value, const char *feature);
void needs_root(void);

// Small files in one line each.
void write_file(const char *path, const void *data, size_t size);
void write_text(const char *path, const char *text);
int make_file(const char *path, mode_t mode);
void expect_text(const char *path, const char *text);
void expect_bytes(int fd, off_t offset, const void *data, size_t size);
void expect_zeros(int fd, off_t offset, size_t size);
void write_fully(int fd, const void *data, size_t size);
struct stat status(const char *path);
struct stat link_status(const char *path);
struct stat fd_status(int fd);
mode_t permissions(const char *path);
bool exists(const char *path);

// Seeded, so that a failure repeats: a 64-bit xorshift and bytes made from it.
uint64_t next_random(uint64_t *state);
void fill_random(void *data, size_t size, uint64_t seed);

// Runs the body in a child and fails the check unless the child returns. As another user
// it has no supplementary groups unless given.
typedef void (*body)(void *argument);
void in_child(body run, void *argument);
pid_t start_child(body run, void *argument);
void join_child(pid_t pid);
void become(uid_t uid, gid_t gid);
void become_with_groups(uid_t uid, gid_t gid, const gid_t *groups, size_t count);

enum { other_user = 4242, other_group = 4343, third_user = 5252, extra_group = 6262 };

uint64_t hash_bytes(uint64_t hash, const void *data, size_t size);
#define HASH_START 0xcbf29ce484222325u

// The random runs: what they do depends on the seed, the stream and the number of an operation alone.
uint64_t dice_for(uint64_t seed, uint64_t stream, uint64_t number);
long roll(uint64_t *dice, long sides);
uint64_t fresh_seed(void);
void remember(long number, const char *format, ...) __attribute__((format(printf, 2, 3)));
void print_history(void);
// Takes "NAME VALUE" at the index and moves that on; false if another option stands there.
bool take_number(int *index, int count, char **arguments, const char *name, uint64_t *value);
// Outside of a check, fail() tells this and ends the process.
void report_failures_with(void (*reporter)(const char *words));

// The other modes of the program.
int print_tree(const char *directory, bool with_links);
int run_bench(const char *directory, long mebibytes, long files);
int run_fsx(const char *directory, int count, char **arguments);
int run_stress(const char *directory, int count, char **arguments);
void remove_tree(int parent, const char *name);

#endif
