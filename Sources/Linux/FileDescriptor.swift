// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import CLinux

/// An owned file descriptor: closed when it goes out of scope, moved, never copied.
public struct FileDescriptor: ~Copyable, Sendable {
  private let raw: Int32

  /// Takes ownership of an open descriptor.
  public init(owning raw: Int32) {
    precondition(raw >= 0, "not a descriptor")
    self.raw = raw
  }

  deinit {
    // Linux closes the descriptor whatever close(2) answers; delayed write errors are fsync's and flush's to tell.
    _ = clinux_close(raw)
  }

  /// The descriptor for a call; must not outlive the owner.
  @inline(__always)
  public var file: File { File(raw: raw) }

  /// Gives up ownership: the caller closes it.
  public consuming func release() -> Int32 {
    let raw = raw
    discard self
    return raw
  }
}

/// A borrowed descriptor: the number that a call takes. Whoever holds one made sure that its owner lives.
@frozen
public struct File: Equatable, Sendable {
  public let raw: Int32

  @inlinable @inline(__always)
  public init(raw: Int32) {
    self.raw = raw
  }

  /// The current directory as the base of a relative path (AT_FDCWD).
  public static let currentDirectory = File(raw: -100)

  /// A second descriptor of the same open file.
  public func duplicate() throws(Errno) -> FileDescriptor {
    FileDescriptor(owning: try checked(clinux_dup(raw)))
  }

  /// Closes a descriptor that was released from its owner.
  public func close() {
    _ = clinux_close(raw)
  }

  /// Closes it and tells what close(2) said: the errors of delayed writes (NFS, quota) surface here.
  public func closeChecked() throws(Errno) {
    try checked(clinux_close(raw))
  }
}

/// A shared owner, where several holders keep one descriptor open (a mount's anchor, a memory region's file).
public final class SharedDescriptor: Sendable {
  private let descriptor: FileDescriptor

  public init(_ descriptor: consuming FileDescriptor) {
    self.descriptor = descriptor
  }

  public var file: File { descriptor.file }
}
