// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// inputcheck: martlet-input before a real input device of the kernel's, made by uinput, with a vhost-user driver that
// knows the protocol from QEMU's document and virtio-input from the kernel's header alone.

#ifndef INPUTCHECK_H
#define INPUTCHECK_H

#include <linux/input.h>
#include <linux/uinput.h>
#include <linux/virtio_input.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Says "ok TEXT" or "not ok TEXT"; the program ends with the number of the latter.
void expect(bool holds, const char *text);
// Says why, and ends the program.
__attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *format, ...);
int64_t milliseconds(void);

// device.c: a keyboard with a wheel, an axis and lights.
#define DEVICE_NAME "Martlet test keyboard"
struct device {
  int uinput;
  // "/dev/input/eventN"
  char path[64];
};
extern const struct uinput_abs_setup device_axis;
struct device make_device(void);
// One event and the report that ends it.
void emit(struct device *device, uint16_t type, uint16_t code, int32_t value);
// What the kernel wants from the device (a light); false if there is nothing within a moment.
bool asked(struct device *device, struct input_event *event, int patience_milliseconds);

// driver.c
struct driver;
struct driver *attach(const char *socket_path);
void detach(struct driver *driver);
// What the configuration space answers; returns its length.
int ask(struct driver *driver, uint8_t select, uint8_t subselect, uint8_t answer[128]);
// The next event from the ring; false if there is none in time.
bool next_event(struct driver *driver, struct virtio_input_event *event, int patience_milliseconds);
// Puts an event on the status queue and waits until it is taken.
void tell(struct driver *driver, uint16_t type, uint16_t code, uint32_t value);

#endif
