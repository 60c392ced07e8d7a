// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// posixcheck DIR [WORD]      runs the checks (of a topic, or whose title holds WORD) inside DIR
// posixcheck tree DIR        prints a listing with checksums that depends on content only
// posixcheck tree --links DIR   the same with link counts and attributes, for two views of one file system
// posixcheck fsx DIR ...        random operations on one file against a model (fsx.c)
// posixcheck stress DIR ...     several processes in one tree (stress.c)
// posixcheck bench DIR [MIB] [FILES]   prints a few figures
//
// The checks are numbered over all topics, so a number means the same check everywhere.

#include "check.h"

#include <stdarg.h>

static const struct {
  const char *name;
  const struct check *checks;
} topics[] = {
    {"open", open_checks},           {"io", io_checks},
    {"append", append_checks},       {"truncate", truncate_checks},
    {"range", range_checks},         {"mapping", mapping_checks},
    {"name", name_checks},           {"directory", directory_checks},
    {"readdir", readdir_checks},     {"rename", rename_checks},
    {"link", link_checks},           {"unlinked", unlinked_checks},
    {"mode", mode_checks},           {"time", time_checks},
    {"xattr", xattr_checks},         {"acl", acl_checks},
    {"lock", lock_checks},           {"permission", permission_checks},
    {"special", special_checks},
};

enum { status_failed = 1, status_skipped = 2, seconds_per_check = 300 };

// The writing end of the running check's pipe: children of a check speak through it too.
static int result_pipe = -1;

// Who tells of a failure where no check runs.
static void (*failure_reporter)(const char *words);

void report_failures_with(void (*reporter)(const char *words)) { failure_reporter = reporter; }

_Noreturn static void leave(int code, const char *format, va_list arguments) {
  char text[512];
  int size = vsnprintf(text, sizeof text, format, arguments);
  if (size > (int)sizeof text - 1) size = sizeof text - 1;
  if (failure_reporter != NULL) {
    failure_reporter(text);
    _exit(code);
  }
  if (write(result_pipe, text, (size_t)size) < 0) _exit(code);
  _exit(code);
}

void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  leave(status_failed, format, arguments);
}

void skip(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  leave(status_skipped, format, arguments);
}

void remove_tree(int parent, const char *name) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return;
  // The directory is read from its start again until nothing is left to delete, so that
  // no file system's behaviour of readdir under deletion matters here.
  for (int removed = 1; removed > 0;) {
    removed = 0;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) break;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      remove_tree(fd, entry->d_name);
      removed++;
    }
    closedir(dir);
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0) return;
  }
  unlinkat(parent, name, AT_REMOVEDIR);
}

// Runs one check in a child; gives its exit status, or 256 + signal, and its last words.
static int run_check(const struct check *check, int base, const char *directory, char *words, size_t size) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0 || mkdirat(base, directory, 0755) != 0) {
    snprintf(words, size, "cannot make the directory %s: %s", directory, strerror(errno));
    return status_failed;
  }
  // A group of its own: what a failed check leaves running is ended with it.
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    result_pipe = ends[1];
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    alarm(seconds_per_check);
    int fd = openat(base, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fchdir(fd) != 0) fail("cannot enter its directory: %s", strerror(errno));
    close(fd);
    check->body();
    _exit(0);
  }
  close(ends[1]);
  int result = 0;
  waitpid(pid, &result, 0);
  kill(-pid, SIGKILL);
  ssize_t n = read(ends[0], words, size - 1);
  words[n > 0 ? n : 0] = 0;
  // One line of plain text, whatever a file held.
  for (char *c = words; *c != 0; c++)
    if (*c < ' ' || *c > '~') *c = '?';
  close(ends[0]);
  remove_tree(base, directory);
  return WIFSIGNALED(result) ? 256 + WTERMSIG(result) : WEXITSTATUS(result);
}

// A topic's name selects the topic; any other word selects titles that hold it.
static bool selected(const char *word, const char *topic, const char *title) {
  if (word == NULL) return true;
  for (size_t t = 0; t < sizeof topics / sizeof *topics; t++)
    if (strcmp(topics[t].name, word) == 0) return strcmp(topic, word) == 0;
  return strstr(title, word) != NULL;
}

static int run_checks(const char *directory, const char *word) {
  int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  char name[64];
  snprintf(name, sizeof name, "posixcheck.%d", (int)getpid());
  if (parent < 0 || mkdirat(parent, name, 0755) != 0) {
    fprintf(stderr, "posixcheck: %s: %s\n", directory, strerror(errno));
    return 2;
  }
  int base = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int number = 0, passed = 0, failed = 0, skipped = 0;
  for (size_t t = 0; t < sizeof topics / sizeof *topics; t++) {
    for (const struct check *check = topics[t].checks; check->title != NULL; check++) {
      number++;
      if (!selected(word, topics[t].name, check->title)) continue;
      char words[600], inner[64];
      snprintf(inner, sizeof inner, "%s.%d", topics[t].name, number);
      int code = run_check(check, base, inner, words, sizeof words);
      if (code == 0) {
        passed++;
        printf("ok %d %s: %s\n", number, topics[t].name, check->title);
      } else if (code == status_skipped) {
        skipped++;
        printf("skip %d %s: %s: %s\n", number, topics[t].name, check->title, words);
      } else {
        failed++;
        if (code >= 256) snprintf(words, sizeof words, "ended by signal %d", code - 256);
        printf("not ok %d %s: %s: %s\n", number, topics[t].name, check->title, words);
      }
      fflush(stdout);
    }
  }
  close(base);
  remove_tree(parent, name);
  if (faccessat(parent, name, F_OK, 0) == 0) {
    failed++;
    printf("not ok %d cleanup: the scratch directory could not be removed\n", number + 1);
  }
  printf("posixcheck: %d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed > 0;
}

int main(int count, char **arguments) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  // Whoever starts this may have blocked signals; the checks need alarms and interruptions.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (count == 3 && strcmp(arguments[1], "tree") == 0) return print_tree(arguments[2], false);
  if (count == 4 && strcmp(arguments[1], "tree") == 0 && strcmp(arguments[2], "--links") == 0)
    return print_tree(arguments[3], true);
  if (count >= 3 && strcmp(arguments[1], "fsx") == 0) return run_fsx(arguments[2], count - 3, arguments + 3);
  if (count >= 3 && strcmp(arguments[1], "stress") == 0) return run_stress(arguments[2], count - 3, arguments + 3);
  if (count >= 3 && strcmp(arguments[1], "bench") == 0)
    return run_bench(arguments[2], count > 3 ? atol(arguments[3]) : 64, count > 4 ? atol(arguments[4]) : 500);
  if (count == 2 || count == 3) return run_checks(arguments[1], count == 3 ? arguments[2] : NULL);
  fprintf(stderr,
          "usage: posixcheck DIR [WORD] | posixcheck tree [--links] DIR | posixcheck fsx DIR ... |"
          " posixcheck stress DIR ... | posixcheck bench DIR [MIB] [FILES]\n");
  return 2;
}
