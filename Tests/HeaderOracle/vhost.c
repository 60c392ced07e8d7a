// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Layouts and constants of <linux/vhost_types.h>, which vhost-user shares with the kernel's vhost. The other payloads
// of vhost-user have no kernel header: golden bytes prove those.

#include <stddef.h>

#include <linux/vhost_types.h>

#include "entries.h"

static const struct header_oracle_entry entries[] = {
  SIZE(vhost_vring_state),
  FIELD(vhost_vring_state, index),
  FIELD(vhost_vring_state, num),
  SIZE(vhost_vring_addr),
  FIELD(vhost_vring_addr, index),
  FIELD(vhost_vring_addr, flags),
  FIELD(vhost_vring_addr, desc_user_addr),
  FIELD(vhost_vring_addr, used_user_addr),
  FIELD(vhost_vring_addr, avail_user_addr),
  FIELD(vhost_vring_addr, log_guest_addr),
  SIZE(vhost_iotlb_msg),
  FIELD(vhost_iotlb_msg, iova),
  FIELD(vhost_iotlb_msg, size),
  FIELD(vhost_iotlb_msg, uaddr),
  FIELD(vhost_iotlb_msg, perm),
  FIELD(vhost_iotlb_msg, type),

  VALUE(VHOST_F_LOG_ALL),
  VALUE(VHOST_VRING_F_LOG),
  VALUE(VHOST_PAGE_SIZE),
  VALUE(VHOST_ACCESS_RO),
  VALUE(VHOST_ACCESS_WO),
  VALUE(VHOST_ACCESS_RW),
  VALUE(VHOST_IOTLB_MISS),
  VALUE(VHOST_IOTLB_UPDATE),
  VALUE(VHOST_IOTLB_INVALIDATE),
  VALUE(VHOST_IOTLB_ACCESS_FAIL),
};

const struct header_oracle_table header_oracle_vhost = {entries, sizeof(entries) / sizeof(entries[0])};
