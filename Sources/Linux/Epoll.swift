// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Waiting for input on the same few descriptors over and over. `Poll` names them in every call; this names them once,
// can wake one of several waiters and takes an eventfd's signal without reading it.

internal import CLinux

/// An epoll(7) instance for up to 16 files, which are known by numbers of the caller's choice.
public struct Epoll: ~Copyable, Sendable {
  private let descriptor: FileDescriptor

  public init() throws(Errno) {
    descriptor = FileDescriptor(owning: try checked(clinux_epoll_create()))
  }

  /// Readable when one of the watched files is: for waiting on it with `Poll`.
  public var file: File { descriptor.file }

  /// What a wait found, by number.
  public struct Readiness: Sendable {
    let bits: Int64

    /// Nothing is ready: the time is up, or a signal came.
    public var isEmpty: Bool { bits == 0 }
    /// There is input.
    public func hasInput(_ number: Int) -> Bool { bits & (1 << Int64(number)) != 0 }
    /// The other side is gone or broken.
    public func hasEnded(_ number: Int) -> Bool { bits & (1 << Int64(number + 16)) != 0 }
  }

  /// Watches a file for input.
  /// - Parameters:
  ///   - number: 0 to 15.
  ///   - edge: report a signal once instead of as long as there is input: an eventfd then needs no reading.
  ///   - exclusive: of several instances that watch this file, wake one.
  public func watch(
    _ file: File, as number: Int, edge: Bool = false, exclusive: Bool = false
  ) throws(Errno) {
    precondition((0..<16).contains(number), "epoll numbers are 0 to 15")
    try checked(
      clinux_epoll_add(descriptor.file.raw, file.raw, UInt32(number), edge ? 1 : 0, exclusive ? 1 : 0))
  }

  /// Waits for input.
  /// - Parameter milliseconds: negative waits for ever, 0 does not wait.
  public func wait(milliseconds: Int32 = -1) -> Readiness {
    Readiness(bits: max(clinux_epoll_wait(descriptor.file.raw, milliseconds), 0))
  }
}
