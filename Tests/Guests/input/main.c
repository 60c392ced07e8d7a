// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// inputcheck SOCKET MARTLET-INPUT [OPTIONS...]
// Needs uinput and evdev, and root. Waits are generous: an emulated machine is slow.

#include "inputcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 60000 };

static int failures;
static const char *socket_path;
static char **program;

void expect(bool holds, const char *text) {
  printf("%s input: %s\n", holds ? "ok" : "not ok", text);
  fflush(stdout);
  failures += !holds;
}

void give_up(const char *format, ...) {
  va_list arguments;
  printf("not ok input: ");
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("\n");
  exit(100);
}

int64_t milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

// MARK: The daemon

// In a group of its own: it may be two processes.
static pid_t start_daemon(struct device *device, const char *option) {
  pid_t child = fork();
  if (child != 0) return child;
  setpgid(0, 0);
  int count = 0;
  while (program[count] != NULL) count++;
  char **words = calloc((size_t)count + 6, sizeof *words);
  memcpy(words, program, (size_t)count * sizeof *words);
  words[count++] = "--socket-path";
  words[count++] = (char *)socket_path;
  words[count++] = "--evdev-path";
  words[count++] = device->path;
  words[count] = (char *)option;
  execv(words[0], words);
  give_up("cannot start %s: %s", words[0], strerror(errno));
}

static void expect_end(pid_t daemon) {
  int status = -1;
  for (int64_t deadline = milliseconds() + PATIENCE; waitpid(daemon, &status, WNOHANG) == 0; usleep(20000))
    if (milliseconds() > deadline) {
      kill(-daemon, SIGKILL);
      give_up("the daemon does not end");
    }
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ends with its frontend, and well");
}

// MARK: Events

static bool is(struct virtio_input_event event, uint16_t type, uint16_t code, uint32_t value) {
  return event.type == type && event.code == code && event.value == value;
}

// The next event, and that it is this one with a report behind it.
static void expect_event(struct driver *driver, uint16_t type, uint16_t code, int32_t value, const char *text) {
  struct virtio_input_event event = {0}, end = {.type = 0xffff};
  bool came = next_event(driver, &event, PATIENCE) && next_event(driver, &end, PATIENCE);
  bool holds = came && is(event, type, code, (uint32_t)value) && is(end, EV_SYN, SYN_REPORT, 0);
  if (!holds) printf("# %u %u %d, then %u %u %d\n", event.type, event.code, event.value, end.type, end.code, end.value);
  expect(holds, text);
}

// What another reader on this host hears: how often this event came.
static int heard(int reader, uint16_t type, uint16_t code, int32_t value) {
  struct input_event event;
  int count = 0;
  while (read(reader, &event, sizeof event) == sizeof event)
    count += event.type == type && event.code == code && event.value == value;
  return count;
}

// The rings are started some time after the daemon has heard of them, and what happens before is not the guest's.
static void wait_for_guest(struct device *device, struct driver *driver) {
  struct virtio_input_event event;
  for (int64_t deadline = milliseconds() + PATIENCE; milliseconds() < deadline;) {
    emit(device, EV_REL, REL_WHEEL, 1);
    if (!next_event(driver, &event, 500)) continue;
    while (next_event(driver, &event, 500)) {
    }
    return;
  }
  give_up("no event comes through");
}

static int open_reader(struct device *device) {
  int reader = open(device->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (reader < 0) give_up("cannot open %s", device->path);
  return reader;
}

// MARK: Checks

static bool has(const uint8_t *bits, int count, int code) { return code / 8 < count && bits[code / 8] >> code % 8 & 1; }

static void check_identity(struct driver *driver) {
  uint8_t answer[128];
  int count = ask(driver, VIRTIO_INPUT_CFG_ID_NAME, 0, answer);
  expect(count == strlen(DEVICE_NAME) && memcmp(answer, DEVICE_NAME, (size_t)count) == 0, "its name");
  struct virtio_input_devids ids;
  count = ask(driver, VIRTIO_INPUT_CFG_ID_DEVIDS, 0, answer);
  memcpy(&ids, answer, sizeof ids);
  expect(count == sizeof ids && ids.bustype == BUS_USB && ids.vendor == 0x1234 && ids.product == 0x5678 &&
             ids.version == 0x0111,
         "its numbers");
  count = ask(driver, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY, answer);
  bool keys = !has(answer, count, 0) && has(answer, count, BTN_LEFT) && !has(answer, count, BTN_RIGHT);
  for (int key = KEY_ESC; key <= KEY_F12 + 1; key++) keys &= has(answer, count, key) == (key <= KEY_F12);
  expect(keys, "its keys");
  count = ask(driver, VIRTIO_INPUT_CFG_EV_BITS, EV_REL, answer);
  expect(count == 2 && answer[0] == 1 << REL_X && answer[1] == 1 << (REL_WHEEL - 8), "its relative axes");
  expect(ask(driver, VIRTIO_INPUT_CFG_EV_BITS, EV_ABS, answer) == 1 && answer[0] == 1, "its absolute axes");
  expect(ask(driver, VIRTIO_INPUT_CFG_EV_BITS, EV_LED, answer) == 1 && answer[0] == 3, "its lights");
  expect(ask(driver, VIRTIO_INPUT_CFG_EV_BITS, EV_MSC, answer) == 1 && answer[0] == 1 << MSC_SCAN, "its other events");
  expect(ask(driver, VIRTIO_INPUT_CFG_EV_BITS, EV_REP, answer) > 0, "that it repeats keys");
  expect(ask(driver, VIRTIO_INPUT_CFG_EV_BITS, EV_SW, answer) == 0, "that it has no switches");
  expect(ask(driver, VIRTIO_INPUT_CFG_PROP_BITS, 0, answer) == 1 && answer[0] == 1 << INPUT_PROP_POINTER, "its kind");
  struct virtio_input_absinfo axis;
  count = ask(driver, VIRTIO_INPUT_CFG_ABS_INFO, ABS_X, answer);
  memcpy(&axis, answer, sizeof axis);
  expect(count == sizeof axis && (int32_t)axis.min == -100 && axis.max == 5000 && axis.fuzz == 0 && axis.flat == 7 &&
             axis.res == 11,
         "its axis");
}

static void check_events(struct device *device, struct driver *driver, int reader) {
  emit(device, EV_KEY, KEY_A, 1);
  expect_event(driver, EV_KEY, KEY_A, 1, "a key is pressed");
  emit(device, EV_KEY, KEY_A, 0);
  expect_event(driver, EV_KEY, KEY_A, 0, "a key is let go of");
  emit(device, EV_REL, REL_X, -3);
  expect_event(driver, EV_REL, REL_X, -3, "a pointer moves");
  emit(device, EV_ABS, ABS_X, 4000);
  expect_event(driver, EV_ABS, ABS_X, 4000, "a place is pointed at");
  expect(heard(reader, EV_KEY, KEY_A, 1) == 0, "this host hears nothing of it");
}

static void check_lights(struct device *device, struct driver *driver) {
  struct input_event event;
  tell(driver, EV_LED, LED_CAPSL, 1);
  tell(driver, EV_SYN, SYN_REPORT, 0);
  bool lit = false;
  while (!lit && asked(device, &event, PATIENCE))
    lit = event.type == EV_LED && event.code == LED_CAPSL && event.value == 1;
  expect(lit, "the guest lights a light");
  // Keys are the device's to press: what the guest writes must not come back as one, nor reach the host.
  tell(driver, EV_KEY, KEY_B, 1);
  tell(driver, EV_SYN, SYN_REPORT, 0);
  emit(device, EV_REL, REL_X, 9);
  expect_event(driver, EV_REL, REL_X, 9, "the guest presses no key");
}

// More than the kernel keeps while the daemon does not look: what became of keys meanwhile is found out.
static void check_lost_events(struct device *device, struct driver *driver, pid_t daemon) {
  emit(device, EV_KEY, KEY_B, 1);
  expect_event(driver, EV_KEY, KEY_B, 1, "a key is held");
  kill(-daemon, SIGSTOP);
  emit(device, EV_KEY, KEY_B, 0);
  emit(device, EV_KEY, KEY_C, 1);
  for (int step = 0; step < 2000; step++) emit(device, EV_REL, REL_X, 1);
  kill(-daemon, SIGCONT);
  emit(device, EV_ABS, ABS_X, 1234);
  struct virtio_input_event event = {0};
  int released = 0, pressed = 0, others = 0, moves = 0;
  while (!is(event, EV_ABS, ABS_X, 1234) && next_event(driver, &event, PATIENCE)) {
    released += is(event, EV_KEY, KEY_B, 0);
    pressed += is(event, EV_KEY, KEY_C, 1);
    others += event.type == EV_KEY;
    moves += event.type == EV_REL;
  }
  next_event(driver, &event, PATIENCE);
  if (moves == 2000) printf("# no event was lost\n");
  expect(moves < 2000 && released == 1 && pressed == 1 && others == 2, "keys are right after events were lost");
  emit(device, EV_KEY, KEY_C, 0);
  expect_event(driver, EV_KEY, KEY_C, 0, "a key is let go of after that");
}

static void check_unplug(struct device *device, struct driver *driver) {
  emit(device, EV_KEY, KEY_D, 1);
  expect_event(driver, EV_KEY, KEY_D, 1, "a key is held on a device that goes");
  close(device->uinput);
  expect_event(driver, EV_KEY, KEY_D, 0, "it is let go of with the device");
  uint8_t answer[128];
  expect(ask(driver, VIRTIO_INPUT_CFG_ID_NAME, 0, answer) > 0, "the daemon lives on without its device");
}

// The host's own view beside the guest's.
static void check_shared(struct device *device, struct driver *driver, int reader) {
  emit(device, EV_KEY, KEY_E, 1);
  expect_event(driver, EV_KEY, KEY_E, 1, "a shared key is pressed");
  int repeats = 0;
  for (int64_t deadline = milliseconds() + PATIENCE; repeats < 3 && milliseconds() < deadline; usleep(20000))
    repeats += heard(reader, EV_KEY, KEY_E, 2);
  emit(device, EV_KEY, KEY_E, 0);
  expect(repeats >= 3, "this host repeats it");
  expect_event(driver, EV_KEY, KEY_E, 0, "the guest is left to do that itself");
}

int main(int count, char **words) {
  if (count < 3) give_up("usage: inputcheck SOCKET MARTLET-INPUT [OPTIONS...]");
  socket_path = words[1];
  program = words + 2;
  struct device device = make_device();
  int reader = open_reader(&device);
  // Whoever starts the program by pressing Return lets go of it a moment later: the host must hear that.
  emit(&device, EV_KEY, KEY_ENTER, 1);
  pid_t daemon = start_daemon(&device, NULL);
  usleep(500000);
  emit(&device, EV_KEY, KEY_ENTER, 0);
  struct driver *driver = attach(socket_path);
  check_identity(driver);
  expect(heard(reader, EV_KEY, KEY_ENTER, 0) == 1, "a key that was held at the start is let go of here");
  wait_for_guest(&device, driver);
  check_events(&device, driver, reader);
  check_lights(&device, driver);
  check_lost_events(&device, driver, daemon);
  close(reader);
  check_unplug(&device, driver);
  detach(driver);
  expect_end(daemon);

  device = make_device();
  daemon = start_daemon(&device, "--no-grab");
  driver = attach(socket_path);
  reader = open_reader(&device);
  wait_for_guest(&device, driver);
  check_shared(&device, driver, reader);
  detach(driver);
  expect_end(daemon);
  return failures;
}
