// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Of libfuse: parsing mount options, mounting (by mount(2), or through fusermount3 for users who may not) and
// unmounting. Its loop and its view of the protocol are not used. Pointers stay on this side: Swift holds them as
// numbers and hands text over byte by byte. There is no state here, because every object file that uses these functions
// has its own copy of them.
#ifndef CFUSE_SHIM_H
#define CFUSE_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { cfuse_options = 0, cfuse_directory = 1, cfuse_text_size = 8192 };

// A mount: its texts, and libfuse's session once it is mounted.
struct cfuse_mount {
  char text[2][cfuse_text_size];
  size_t length[2];
  struct fuse_session *session;
};

// A mount to be; 0 if there is no memory. cfuse_end gives it back.
static inline uintptr_t cfuse_begin(void) { return (uintptr_t)calloc(1, sizeof(struct cfuse_mount)); }

// Appends a byte to the options or to the directory's path; what is too long is refused by cfuse_open.
static inline void cfuse_append(uintptr_t mount, int text, char byte) {
  struct cfuse_mount *m = (struct cfuse_mount *)mount;
  if (m->length[text] < cfuse_text_size) m->text[text][m->length[text]++] = byte;
}

// Mounts. The descriptor of /dev/fuse, -1 if the options are wrong, -2 if mounting failed. Why is on standard error.
static inline int cfuse_open(uintptr_t mount) {
  struct cfuse_mount *m = (struct cfuse_mount *)mount;
  for (int i = 0; i < 2; i++) {
    if (m->length[i] >= cfuse_text_size) return -1;
    m->text[i][m->length[i]] = 0;
  }
  struct fuse_lowlevel_ops none;
  memset(&none, 0, sizeof none);
  struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
  if (fuse_opt_add_arg(&arguments, "martlet") == 0 && fuse_opt_add_arg(&arguments, "-o") == 0 &&
      fuse_opt_add_arg(&arguments, m->text[cfuse_options]) == 0)
    m->session = fuse_session_new(&arguments, &none, sizeof none, NULL);
  fuse_opt_free_args(&arguments);
  if (!m->session) return -1;
  if (fuse_session_mount(m->session, m->text[cfuse_directory]) == 0) return fuse_session_fd(m->session);
  fuse_session_destroy(m->session);
  m->session = NULL;
  return -2;
}

// Closes the descriptor, which ends every call that is under way in the mount, and takes the mount out of the tree.
static inline void cfuse_end(uintptr_t mount) {
  struct cfuse_mount *m = (struct cfuse_mount *)mount;
  if (m->session) {
    fuse_session_unmount(m->session);
    fuse_session_destroy(m->session);
  }
  free(m);
}

#endif
