// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Eventfds (kick, call, err, wake-ups between threads) and waiting for them.

internal import CLinux
internal import Glibc

/// An eventfd. The peer chose the flags of one that it sent: reads and writes here never rely on blocking.
public struct Event: ~Copyable, Sendable {
  private let descriptor: FileDescriptor

  /// A new non-blocking eventfd (EFD_NONBLOCK is O_NONBLOCK).
  public init() throws(Errno) {
    descriptor = FileDescriptor(owning: try checked(clinux_eventfd(0, O_NONBLOCK)))
  }

  /// Takes over an eventfd that a peer sent.
  public init(_ descriptor: consuming FileDescriptor) {
    self.descriptor = descriptor
  }

  public var file: File { descriptor.file }

  /// Adds one. A full counter (EAGAIN) is a signal that is already there.
  @inline(__always)
  public func signal() {
    file.signalEvent()
  }

  /// Takes the count; 0 if there was none. Only after `Poll` said that it is readable, if the peer's flag may block.
  @discardableResult
  public func drain() -> UInt64 {
    file.drainEvent()
  }
}

extension File {
  /// Adds one to an eventfd's counter.
  public func signalEvent() {
    var one: UInt64 = 1
    _ = unsafe clinux_write(raw, &one, 8)
  }

  /// Takes an eventfd's counter; 0 if nothing was there.
  @discardableResult
  public func drainEvent() -> UInt64 {
    var count: UInt64 = 0
    return unsafe clinux_read(raw, &count, 8) == 8 ? count : 0
  }
}

/// Waiting for input on a few descriptors (ppoll).
public enum Poll {
  /// What poll(2) reported.
  public struct Readiness: OptionSet, Sendable {
    public let rawValue: Int16
    public init(rawValue: Int16) { self.rawValue = rawValue }
    public static let input = Readiness(rawValue: 1)
    public static let error = Readiness(rawValue: 8)
    public static let hangUp = Readiness(rawValue: 16)
    public static let invalid = Readiness(rawValue: 32)
  }

  /// Waits until one of two descriptors has input; nil waits on the other alone.
  /// - Parameter timeoutNanoseconds: negative waits for ever.
  public static func wait(
    _ first: File?, _ second: File?, timeoutNanoseconds: Int64 = -1
  ) -> (first: Readiness, second: Readiness) {
    var files = (first?.raw ?? -1, second?.raw ?? -1)
    var ready: (Int16, Int16) = (0, 0)
    let result = unsafe withUnsafeMutablePointer(to: &files) { files in
      unsafe withUnsafeMutablePointer(to: &ready) { ready in
        unsafe files.withMemoryRebound(to: Int32.self, capacity: 2) { files in
          unsafe ready.withMemoryRebound(to: Int16.self, capacity: 2) { ready in
            unsafe clinux_poll(files, ready, 2, timeoutNanoseconds)
          }
        }
      }
    }
    guard result > 0 else { return ([], []) }
    return (Readiness(rawValue: ready.0), Readiness(rawValue: ready.1))
  }

  /// As above for three descriptors; the third says only whether it woke the wait.
  public static func wait(
    _ first: File?, _ second: File?, _ third: File, timeoutNanoseconds: Int64 = -1
  ) -> (first: Readiness, second: Readiness) {
    var files = (first?.raw ?? -1, second?.raw ?? -1, third.raw)
    var ready: (Int16, Int16, Int16) = (0, 0, 0)
    let result = unsafe withUnsafeMutablePointer(to: &files) { files in
      unsafe withUnsafeMutablePointer(to: &ready) { ready in
        unsafe files.withMemoryRebound(to: Int32.self, capacity: 3) { files in
          unsafe ready.withMemoryRebound(to: Int16.self, capacity: 3) { ready in
            unsafe clinux_poll(files, ready, 3, timeoutNanoseconds)
          }
        }
      }
    }
    guard result > 0 else { return ([], []) }
    return (Readiness(rawValue: ready.0), Readiness(rawValue: ready.1))
  }

  /// Waits on any number (up to 16) of descriptors; control paths only, it allocates.
  public static func wait(_ files: [File], timeoutNanoseconds: Int64 = -1) -> [Readiness] {
    var ready = [Int16](repeating: 0, count: files.count)
    let raws = files.map { $0.raw }
    let result = unsafe clinux_poll(raws, &ready, Int32(files.count), timeoutNanoseconds)
    guard result > 0 else { return files.map { _ in [] } }
    return ready.map { Readiness(rawValue: $0) }
  }
}
