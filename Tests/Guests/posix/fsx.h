// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The model that the random run holds its file against: what every byte must be, and which operation made it so.

#ifndef POSIXCHECK_FSX_H
#define POSIXCHECK_FSX_H

#include "check.h"

struct model {
  unsigned char *bytes;
  // Number of the operation that gave each byte its value.
  uint32_t *authors;
  long size;
  // The file never grows beyond this.
  long most;
};

void model_make(struct model *model, long most);
void model_write(struct model *model, long offset, const void *data, long length, long number);
void model_resize(struct model *model, long size, long number);
void model_zero(struct model *model, long offset, long length, long number);
void model_copy(struct model *model, long from, long to, long length, long number);
void model_collapse(struct model *model, long offset, long length);
void model_insert(struct model *model, long offset, long length, long number);

// Fails unless `seen` is what the model has at `offset`; `how` says by which way it was read.
void model_expect(const struct model *model, long offset, const void *seen, long length, const char *how);

#endif
