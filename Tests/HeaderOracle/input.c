// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Layouts and constants of <linux/virtio_input.h>, and the numbers of <linux/input-event-codes.h> that are used.

#include <stddef.h>

#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>

#include "entries.h"

static const struct header_oracle_entry entries[] = {
  SIZE(virtio_input_absinfo),
  FIELD(virtio_input_absinfo, min),
  FIELD(virtio_input_absinfo, max),
  FIELD(virtio_input_absinfo, fuzz),
  FIELD(virtio_input_absinfo, flat),
  FIELD(virtio_input_absinfo, res),
  SIZE(virtio_input_devids),
  FIELD(virtio_input_devids, bustype),
  FIELD(virtio_input_devids, vendor),
  FIELD(virtio_input_devids, product),
  FIELD(virtio_input_devids, version),
  SIZE(virtio_input_config),
  FIELD(virtio_input_config, select),
  FIELD(virtio_input_config, subsel),
  FIELD(virtio_input_config, size),
  FIELD(virtio_input_config, reserved),
  FIELD(virtio_input_config, u),
  SIZE(virtio_input_event),
  FIELD(virtio_input_event, type),
  FIELD(virtio_input_event, code),
  FIELD(virtio_input_event, value),
  VALUE(VIRTIO_INPUT_CFG_UNSET),
  VALUE(VIRTIO_INPUT_CFG_ID_NAME),
  VALUE(VIRTIO_INPUT_CFG_ID_SERIAL),
  VALUE(VIRTIO_INPUT_CFG_ID_DEVIDS),
  VALUE(VIRTIO_INPUT_CFG_PROP_BITS),
  VALUE(VIRTIO_INPUT_CFG_EV_BITS),
  VALUE(VIRTIO_INPUT_CFG_ABS_INFO),
  VALUE(EV_SYN),
  VALUE(EV_KEY),
  VALUE(EV_REL),
  VALUE(EV_ABS),
  VALUE(EV_LED),
  VALUE(EV_REP),
  VALUE(REL_HWHEEL),
  VALUE(REL_WHEEL),
  VALUE(ABS_X),
  VALUE(ABS_Y),
  VALUE(BTN_LEFT),
  VALUE(BTN_RIGHT),
  VALUE(BTN_MIDDLE),
  VALUE(BTN_SIDE),
  VALUE(BTN_EXTRA),
  VALUE(KEY_MAX),
  VALUE(LED_NUML),
  VALUE(LED_CAPSL),
  VALUE(LED_SCROLLL),
};

const struct header_oracle_table header_oracle_input = {entries, sizeof(entries) / sizeof(entries[0])};
