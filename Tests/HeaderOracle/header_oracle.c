// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

#include "entries.h"

#include <stdlib.h>

static const struct header_oracle_table *const tables[] = {
  &header_oracle_fuse_structs,
  &header_oracle_fuse_constants,
  &header_oracle_virtio,
  &header_oracle_vhost,
  &header_oracle_block,
  &header_oracle_gpu,
  &header_oracle_input,
};

enum { table_count = sizeof(tables) / sizeof(tables[0]) };

size_t header_oracle_count(void) {
  size_t count = 0;
  for (size_t i = 0; i < table_count; i++) count += tables[i]->count;
  return count;
}

static const struct header_oracle_entry *entry(size_t index) {
  for (size_t i = 0; i < table_count; i++) {
    if (index < tables[i]->count) return &tables[i]->entries[index];
    index -= tables[i]->count;
  }
  abort();
}

const char *header_oracle_name(size_t index) { return entry(index)->name; }

uint64_t header_oracle_value(size_t index) { return entry(index)->value; }
