// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into a program that draws one frame after the other (EGL): after a number of frames it stays, with the last
// one on the screen, and says so by a file ($HOLD). What the kernel shows for a program goes with the program.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { FRAMES = 12 };

// EGLBoolean eglSwapBuffers(EGLDisplay, EGLSurface): a frame is on the screen when the next one is handed over.
unsigned eglSwapBuffers(void *display, void *surface) {
  static unsigned (*next)(void *, void *);
  static int frames;
  const char *file = getenv("HOLD");
  if (next == NULL) next = (unsigned (*)(void *, void *))dlsym(RTLD_NEXT, "eglSwapBuffers");
  if (frames++ == FRAMES && file != NULL) {
    close(open(file, O_CREAT | O_WRONLY, 0600));
    for (;;) pause();
  }
  return next(display, surface);
}
