// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Layouts and constants of <linux/virtio_blk.h>.

#include <stddef.h>

#include <linux/virtio_blk.h>

#include "entries.h"

static const struct header_oracle_entry entries[] = {
  // Later headers add zones behind what is served.
  {"sizeof virtio_blk_config", offsetof(struct virtio_blk_config, secure_erase_sector_alignment) + 4},
  FIELD(virtio_blk_config, capacity),
  FIELD(virtio_blk_config, size_max),
  FIELD(virtio_blk_config, seg_max),
  FIELD(virtio_blk_config, geometry),
  FIELD(virtio_blk_config, blk_size),
  FIELD(virtio_blk_config, physical_block_exp),
  FIELD(virtio_blk_config, alignment_offset),
  FIELD(virtio_blk_config, min_io_size),
  FIELD(virtio_blk_config, opt_io_size),
  FIELD(virtio_blk_config, wce),
  FIELD(virtio_blk_config, unused),
  FIELD(virtio_blk_config, num_queues),
  FIELD(virtio_blk_config, max_discard_sectors),
  FIELD(virtio_blk_config, max_discard_seg),
  FIELD(virtio_blk_config, discard_sector_alignment),
  FIELD(virtio_blk_config, max_write_zeroes_sectors),
  FIELD(virtio_blk_config, max_write_zeroes_seg),
  FIELD(virtio_blk_config, write_zeroes_may_unmap),
  FIELD(virtio_blk_config, unused1),
  FIELD(virtio_blk_config, max_secure_erase_sectors),
  FIELD(virtio_blk_config, max_secure_erase_seg),
  FIELD(virtio_blk_config, secure_erase_sector_alignment),
  {"sizeof virtio_blk_geometry", sizeof(((struct virtio_blk_config *)0)->geometry)},
  {"virtio_blk_geometry.cylinders", offsetof(struct virtio_blk_config, geometry.cylinders)
                                        - offsetof(struct virtio_blk_config, geometry)},
  {"virtio_blk_geometry.heads", offsetof(struct virtio_blk_config, geometry.heads)
                                    - offsetof(struct virtio_blk_config, geometry)},
  {"virtio_blk_geometry.sectors", offsetof(struct virtio_blk_config, geometry.sectors)
                                      - offsetof(struct virtio_blk_config, geometry)},
  SIZE(virtio_blk_outhdr),
  FIELD(virtio_blk_outhdr, type),
  FIELD(virtio_blk_outhdr, ioprio),
  FIELD(virtio_blk_outhdr, sector),
  SIZE(virtio_blk_discard_write_zeroes),
  FIELD(virtio_blk_discard_write_zeroes, sector),
  FIELD(virtio_blk_discard_write_zeroes, num_sectors),
  FIELD(virtio_blk_discard_write_zeroes, flags),

  VALUE(VIRTIO_BLK_F_SIZE_MAX),
  VALUE(VIRTIO_BLK_F_SEG_MAX),
  VALUE(VIRTIO_BLK_F_GEOMETRY),
  VALUE(VIRTIO_BLK_F_RO),
  VALUE(VIRTIO_BLK_F_BLK_SIZE),
  VALUE(VIRTIO_BLK_F_FLUSH),
  VALUE(VIRTIO_BLK_F_TOPOLOGY),
  VALUE(VIRTIO_BLK_F_CONFIG_WCE),
  VALUE(VIRTIO_BLK_F_MQ),
  VALUE(VIRTIO_BLK_F_DISCARD),
  VALUE(VIRTIO_BLK_F_WRITE_ZEROES),
  VALUE(VIRTIO_BLK_F_SECURE_ERASE),
  VALUE(VIRTIO_BLK_T_IN),
  VALUE(VIRTIO_BLK_T_OUT),
  VALUE(VIRTIO_BLK_T_FLUSH),
  VALUE(VIRTIO_BLK_T_GET_ID),
  VALUE(VIRTIO_BLK_T_DISCARD),
  VALUE(VIRTIO_BLK_T_WRITE_ZEROES),
  VALUE(VIRTIO_BLK_T_SECURE_ERASE),
  VALUE(VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
  VALUE(VIRTIO_BLK_S_OK),
  VALUE(VIRTIO_BLK_S_IOERR),
  VALUE(VIRTIO_BLK_S_UNSUPP),
  VALUE(VIRTIO_BLK_ID_BYTES),
};

const struct header_oracle_table header_oracle_block = {entries, sizeof(entries) / sizeof(entries[0])};
