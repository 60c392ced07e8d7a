// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The model of one file, in memory. Bytes beyond its size are always zero, so that growing needs nothing but a number.

#include "fsx.h"

void model_make(struct model *model, long most) {
  model->bytes = calloc(1, (size_t)most);
  model->authors = calloc((size_t)most, sizeof *model->authors);
  model->size = 0;
  model->most = most;
  truth(model->bytes != NULL && model->authors != NULL);
}

static void sign(struct model *model, long offset, long length, long number) {
  for (long i = 0; i < length; i++) model->authors[offset + i] = (uint32_t)number;
}

void model_write(struct model *model, long offset, const void *data, long length, long number) {
  if (offset > model->size) sign(model, model->size, offset - model->size, number);
  memcpy(model->bytes + offset, data, (size_t)length);
  sign(model, offset, length, number);
  if (offset + length > model->size) model->size = offset + length;
}

void model_resize(struct model *model, long size, long number) {
  if (size < model->size) memset(model->bytes + size, 0, (size_t)(model->size - size));
  else sign(model, model->size, size - model->size, number);
  model->size = size;
}

void model_zero(struct model *model, long offset, long length, long number) {
  if (offset >= model->size) return;
  if (offset + length > model->size) length = model->size - offset;
  memset(model->bytes + offset, 0, (size_t)length);
  sign(model, offset, length, number);
}

void model_copy(struct model *model, long from, long to, long length, long number) {
  model_write(model, to, model->bytes + from, length, number);
}

// The authors stay with their bytes.
void model_collapse(struct model *model, long offset, long length) {
  long rest = model->size - offset - length;
  memmove(model->bytes + offset, model->bytes + offset + length, (size_t)rest);
  memmove(model->authors + offset, model->authors + offset + length, (size_t)rest * sizeof *model->authors);
  memset(model->bytes + offset + rest, 0, (size_t)length);
  model->size -= length;
}

void model_insert(struct model *model, long offset, long length, long number) {
  long rest = model->size - offset;
  memmove(model->bytes + offset + length, model->bytes + offset, (size_t)rest);
  memmove(model->authors + offset + length, model->authors + offset, (size_t)rest * sizeof *model->authors);
  memset(model->bytes + offset, 0, (size_t)length);
  sign(model, offset, length, number);
  model->size += length;
}

void model_expect(const struct model *model, long offset, const void *seen, long length, const char *how) {
  const unsigned char *bytes = seen;
  if (memcmp(bytes, model->bytes + offset, (size_t)length) == 0) return;
  long first = -1, last = -1, wrong = 0;
  for (long i = 0; i < length; i++) {
    if (bytes[i] == model->bytes[offset + i]) continue;
    if (first < 0) first = i;
    last = i;
    wrong++;
  }
  fail("by %s, byte %ld is %02x and not %02x as operation %lu left it; %ld bytes are wrong from there to %ld", how,
       offset + first, bytes[first], model->bytes[offset + first], (unsigned long)model->authors[offset + first], wrong,
       offset + last);
}
