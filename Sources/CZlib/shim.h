// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <zlib.h>
