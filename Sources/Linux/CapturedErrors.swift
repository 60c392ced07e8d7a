// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Libraries and helper programs that explain themselves on standard error, in their own words. A program that owes
// its user one sentence catches theirs and makes it a part of its own.

internal import CLinux
internal import Wire

/// Standard error, caught in a memory file. For processes with a single thread: descriptor 2 is everybody's.
public struct CapturedErrors: ~Copyable {
  private let saved: FileDescriptor
  private let caught: FileDescriptor

  /// From here on standard error is caught.
  public init() throws(Errno) {
    let saved = try File(raw: 2).duplicate()
    let caught = try MemoryFile.create("errors", byteCount: 0)
    try checked(clinux_dup_onto(caught.file.raw, 2))
    CapturedErrors.passOnToPrograms()
    self.saved = saved
    self.caught = caught
  }

  /// Standard error is again what it was; returns what was written meanwhile.
  public consuming func end() -> String {
    _ = clinux_dup_onto(saved.file.raw, 2)
    CapturedErrors.passOnToPrograms()
    let scratch = Scratch(byteCount: 4096)
    guard (try? caught.file.seek(0, whence: 0)) != nil,
      let count = try? caught.file.read(into: scratch.segment)
    else { return "" }
    return String(decoding: scratch.segment.prefix(count).bytes(), as: UTF8.self)
  }

  /// F_SETFD without flags: the shim makes descriptors close-on-exec, which standard error is not.
  private static func passOnToPrograms() {
    _ = clinux_fcntl(2, 2, 0)
  }
}
