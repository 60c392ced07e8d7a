// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Testing

@Suite struct PathTests {
  @Test(arguments: [("/run/a.sock", "/run"), ("a.sock", "."), ("/a.sock", "/"), ("x/y/z", "x/y")])
  func directoryIsWhatHoldsTheLastComponent(_ path: String, _ directory: String) {
    #expect(Path(path).directory == Path(directory))
  }
}
