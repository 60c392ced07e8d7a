// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's own headers say about sizes, offsets and constants, as a table that Swift tests look up by name:
// "sizeof fuse_attr", "fuse_attr.mode", "FUSE_LOOKUP". Only tests link this.

#ifndef HEADER_ORACLE_H
#define HEADER_ORACLE_H

#include <stddef.h>
#include <stdint.h>

/// Number of entries.
size_t header_oracle_count(void);

/// Name of entry `index`; a static string.
const char *_Nonnull header_oracle_name(size_t index);

/// Value of entry `index`.
uint64_t header_oracle_value(size_t index);

/// FUSE_DIRENT_SIZE of an entry with such a name.
uint64_t header_oracle_dirent_size(uint32_t name_length);

/// FUSE_DIRENTPLUS_SIZE of an entry with such a name.
uint64_t header_oracle_direntplus_size(uint32_t name_length);

/// vring_need_event of <linux/virtio_ring.h>.
int header_oracle_need_event(uint16_t event, uint16_t new_index, uint16_t old_index);

/// Offset of `used_event` from the start of the available ring of a queue of `size` entries, by vring_used_event.
uint64_t header_oracle_used_event_offset(unsigned int size);

/// Offset of `avail_event` from the start of the used ring of a queue of `size` entries, by vring_avail_event.
uint64_t header_oracle_avail_event_offset(unsigned int size);

#endif
