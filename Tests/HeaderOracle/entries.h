// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How the tables are written down.

#ifndef ENTRIES_H
#define ENTRIES_H

#include "header_oracle.h"

struct header_oracle_entry {
  const char *name;
  uint64_t value;
};

struct header_oracle_table {
  const struct header_oracle_entry *entries;
  size_t count;
};

#define SIZE(type) {"sizeof " #type, sizeof(struct type)}
#define FIELD(type, field) {#type "." #field, offsetof(struct type, field)}
/// A constant of at most 32 bits; the cast keeps (1 << 31) from growing a sign.
#define VALUE(name) {#name, (uint32_t)(name)}
/// A constant of up to 64 bits.
#define WIDE(name) {#name, (uint64_t)(name)}

extern const struct header_oracle_table header_oracle_fuse_structs;
extern const struct header_oracle_table header_oracle_fuse_constants;
extern const struct header_oracle_table header_oracle_virtio;
extern const struct header_oracle_table header_oracle_vhost;
extern const struct header_oracle_table header_oracle_block;
extern const struct header_oracle_table header_oracle_gpu;
extern const struct header_oracle_table header_oracle_input;

#endif
