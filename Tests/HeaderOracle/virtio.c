// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Layouts and constants of <linux/virtio_ring.h>, <linux/virtio_config.h>, <linux/virtio_ids.h> and
// <linux/virtio_fs.h>.

#include <stddef.h>

#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "entries.h"

static const struct header_oracle_entry entries[] = {
  SIZE(vring_desc),
  FIELD(vring_desc, addr),
  FIELD(vring_desc, len),
  FIELD(vring_desc, flags),
  FIELD(vring_desc, next),
  SIZE(vring_used_elem),
  FIELD(vring_used_elem, id),
  FIELD(vring_used_elem, len),
  FIELD(vring_avail, flags),
  FIELD(vring_avail, idx),
  FIELD(vring_avail, ring),
  FIELD(vring_used, flags),
  FIELD(vring_used, idx),
  FIELD(vring_used, ring),
  SIZE(vring_packed_desc),
  FIELD(vring_packed_desc, addr),
  FIELD(vring_packed_desc, len),
  FIELD(vring_packed_desc, id),
  FIELD(vring_packed_desc, flags),
  SIZE(vring_packed_desc_event),
  FIELD(vring_packed_desc_event, off_wrap),
  FIELD(vring_packed_desc_event, flags),
  SIZE(virtio_fs_config),
  FIELD(virtio_fs_config, tag),
  FIELD(virtio_fs_config, num_request_queues),

  VALUE(VRING_DESC_F_NEXT),
  VALUE(VRING_DESC_F_WRITE),
  VALUE(VRING_DESC_F_INDIRECT),
  VALUE(VRING_AVAIL_F_NO_INTERRUPT),
  VALUE(VRING_USED_F_NO_NOTIFY),
  VALUE(VRING_PACKED_DESC_F_AVAIL),
  VALUE(VRING_PACKED_DESC_F_USED),
  VALUE(VRING_PACKED_EVENT_FLAG_ENABLE),
  VALUE(VRING_PACKED_EVENT_FLAG_DISABLE),
  VALUE(VRING_PACKED_EVENT_FLAG_DESC),
  VALUE(VRING_PACKED_EVENT_F_WRAP_CTR),
  VALUE(VRING_DESC_ALIGN_SIZE),
  VALUE(VRING_AVAIL_ALIGN_SIZE),
  VALUE(VRING_USED_ALIGN_SIZE),

  VALUE(VIRTIO_F_NOTIFY_ON_EMPTY),
  VALUE(VIRTIO_F_ANY_LAYOUT),
  VALUE(VIRTIO_RING_F_INDIRECT_DESC),
  VALUE(VIRTIO_RING_F_EVENT_IDX),
  VALUE(VIRTIO_F_VERSION_1),
  VALUE(VIRTIO_F_ACCESS_PLATFORM),
  VALUE(VIRTIO_F_RING_PACKED),
  VALUE(VIRTIO_F_IN_ORDER),
  VALUE(VIRTIO_F_ORDER_PLATFORM),
  VALUE(VIRTIO_F_SR_IOV),
  VALUE(VIRTIO_F_RING_RESET),
#ifdef VIRTIO_F_NOTIFICATION_DATA
  VALUE(VIRTIO_F_NOTIFICATION_DATA),
#endif
#ifdef VIRTIO_F_NOTIF_CONFIG_DATA
  VALUE(VIRTIO_F_NOTIF_CONFIG_DATA),
#endif

  VALUE(VIRTIO_CONFIG_S_ACKNOWLEDGE),
  VALUE(VIRTIO_CONFIG_S_DRIVER),
  VALUE(VIRTIO_CONFIG_S_DRIVER_OK),
  VALUE(VIRTIO_CONFIG_S_FEATURES_OK),
  VALUE(VIRTIO_CONFIG_S_NEEDS_RESET),
  VALUE(VIRTIO_CONFIG_S_FAILED),

  VALUE(VIRTIO_ID_NET),
  VALUE(VIRTIO_ID_BLOCK),
  VALUE(VIRTIO_ID_CONSOLE),
  VALUE(VIRTIO_ID_RNG),
  VALUE(VIRTIO_ID_BALLOON),
  VALUE(VIRTIO_ID_SCSI),
  VALUE(VIRTIO_ID_9P),
  VALUE(VIRTIO_ID_GPU),
  VALUE(VIRTIO_ID_INPUT),
  VALUE(VIRTIO_ID_VSOCK),
  VALUE(VIRTIO_ID_CRYPTO),
  VALUE(VIRTIO_ID_IOMMU),
  VALUE(VIRTIO_ID_MEM),
  VALUE(VIRTIO_ID_SOUND),
  VALUE(VIRTIO_ID_FS),
  VALUE(VIRTIO_ID_PMEM),
  VALUE(VIRTIO_FS_SHMCAP_ID_CACHE),
};

const struct header_oracle_table header_oracle_virtio = {entries, sizeof(entries) / sizeof(entries[0])};

int header_oracle_need_event(uint16_t event, uint16_t new_index, uint16_t old_index) {
  return vring_need_event(event, new_index, old_index);
}

// The macros take the address of a ring entry past the array, so they need memory that is there.
static _Alignas(16) char rings[16 * 32768 + 4 + 2 * 32768 + 2 + 4 + 8 * 32768 + 2 + 4096];

static struct vring ring_of(unsigned int size) {
  struct vring ring;
  vring_init(&ring, size, rings, 16);
  return ring;
}

uint64_t header_oracle_used_event_offset(unsigned int size) {
  struct vring ring = ring_of(size);
  return (uint64_t)((char *)&vring_used_event(&ring) - (char *)ring.avail);
}

uint64_t header_oracle_avail_event_offset(unsigned int size) {
  struct vring ring = ring_of(size);
  return (uint64_t)((char *)&vring_avail_event(&ring) - (char *)ring.used);
}
