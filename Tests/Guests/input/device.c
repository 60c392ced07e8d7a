// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

#include "inputcheck.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const struct uinput_abs_setup device_axis = {
    .code = ABS_X,
    .absinfo = {.minimum = -100, .maximum = 5000, .fuzz = 0, .flat = 7, .resolution = 11},
};

static void allow(int uinput, unsigned long request, int code) {
  if (ioctl(uinput, request, code) < 0) give_up("uinput refuses %lx %d", request, code);
}

struct device make_device(void) {
  struct device device = {.uinput = open("/dev/uinput", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
  if (device.uinput < 0) give_up("no /dev/uinput");
  int uinput = device.uinput;
  for (int type = 0; type < 6; type++) {
    static const int types[] = {EV_KEY, EV_REL, EV_ABS, EV_MSC, EV_LED, EV_REP};
    allow(uinput, UI_SET_EVBIT, types[type]);
  }
  for (int key = KEY_ESC; key <= KEY_F12; key++) allow(uinput, UI_SET_KEYBIT, key);
  allow(uinput, UI_SET_KEYBIT, BTN_LEFT);
  allow(uinput, UI_SET_RELBIT, REL_X);
  allow(uinput, UI_SET_RELBIT, REL_WHEEL);
  allow(uinput, UI_SET_MSCBIT, MSC_SCAN);
  allow(uinput, UI_SET_LEDBIT, LED_NUML);
  allow(uinput, UI_SET_LEDBIT, LED_CAPSL);
  allow(uinput, UI_SET_PROPBIT, INPUT_PROP_POINTER);
  struct uinput_setup setup = {
      .id = {.bustype = BUS_USB, .vendor = 0x1234, .product = 0x5678, .version = 0x0111}, .name = DEVICE_NAME};
  if (ioctl(uinput, UI_ABS_SETUP, &device_axis) < 0 || ioctl(uinput, UI_DEV_SETUP, &setup) < 0 ||
      ioctl(uinput, UI_DEV_CREATE) < 0)
    give_up("uinput makes no device");
  char name[32], folder[64];
  if (ioctl(uinput, UI_GET_SYSNAME(sizeof name), name) < 0) give_up("uinput names no device");
  snprintf(folder, sizeof folder, "/sys/class/input/%s", name);
  DIR *directory = opendir(folder);
  if (directory == NULL) give_up("no %s", folder);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
    if (strncmp(entry->d_name, "event", 5) == 0 && strlen(entry->d_name) < 16)
      snprintf(device.path, sizeof device.path, "/dev/input/%.16s", entry->d_name);
  closedir(directory);
  if (device.path[0] == 0) give_up("%s has no event device (module evdev)", folder);
  return device;
}

void emit(struct device *device, uint16_t type, uint16_t code, int32_t value) {
  struct input_event events[2] = {{.type = type, .code = code, .value = value}, {.type = EV_SYN}};
  if (write(device->uinput, events, sizeof events) != sizeof events) give_up("uinput takes no event");
}

bool asked(struct device *device, struct input_event *event, int patience_milliseconds) {
  struct pollfd wish = {.fd = device->uinput, .events = POLLIN};
  if (poll(&wish, 1, patience_milliseconds) <= 0) return false;
  return read(device->uinput, event, sizeof *event) == sizeof *event;
}
