// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
