// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Of libfuse: parsing mount options, mounting (by mount(2), or through fusermount3 for users who may not) and
// unmounting. Its loop and its view of the protocol are not used. Pointers stay on this side: text comes byte by byte,
// the one mount of the process is kept here. All functions must be called from one Swift source file, because each
// that includes this header has its own copy of the state.
#ifndef CFUSE_SHIM_H
#define CFUSE_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
#include <string.h>

enum { cfuse_options = 0, cfuse_directory = 1, cfuse_text_size = 8192 };

struct cfuse_state {
  char text[2][cfuse_text_size];
  size_t length[2];
  struct fuse_session *session;
};

// A variable of a function, because Swift emits those of a header only with the function that they are in.
static inline struct cfuse_state *cfuse_state(void) {
  static struct cfuse_state state;
  return &state;
}

// Appends a byte to the options or to the directory's path; what is too long is cut, and then refused by cfuse_mount.
static inline void cfuse_append(int text, char byte) {
  struct cfuse_state *s = cfuse_state();
  if (s->length[text] < cfuse_text_size) s->text[text][s->length[text]++] = byte;
}

// Mounts. The descriptor of /dev/fuse, -1 if the options are wrong, -2 if mounting failed. Why is on standard error.
static inline int cfuse_mount(void) {
  struct cfuse_state *s = cfuse_state();
  for (int i = 0; i < 2; i++) {
    if (s->length[i] >= cfuse_text_size) return -1;
    s->text[i][s->length[i]] = 0;
  }
  struct fuse_lowlevel_ops none;
  memset(&none, 0, sizeof none);
  struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
  if (fuse_opt_add_arg(&arguments, "martlet") == 0 && fuse_opt_add_arg(&arguments, "-o") == 0 &&
      fuse_opt_add_arg(&arguments, s->text[cfuse_options]) == 0)
    s->session = fuse_session_new(&arguments, &none, sizeof none, NULL);
  fuse_opt_free_args(&arguments);
  if (!s->session) return -1;
  if (fuse_session_mount(s->session, s->text[cfuse_directory]) == 0) return fuse_session_fd(s->session);
  fuse_session_destroy(s->session);
  s->session = NULL;
  return -2;
}

// Closes the descriptor, which ends every call that is under way in the mount, and takes the mount out of the tree.
static inline void cfuse_unmount(void) {
  struct cfuse_state *s = cfuse_state();
  if (!s->session) return;
  fuse_session_unmount(s->session);
  fuse_session_destroy(s->session);
  s->session = NULL;
}

#endif
