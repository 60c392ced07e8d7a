// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the drain loop and its neighbours need of the kernel beside `Event` and `Poll`: an event whose descriptor can be
// swapped under a running thread, waiting for output, and facts about the processors.

internal import CLinux

extension Event {
  /// From now on this event signals the open file of `other`. Atomic for a thread that is signalling: it reaches
  /// either the old file or the new one.
  public func redirect(to other: borrowing FileDescriptor) throws(Errno) {
    try checked(clinux_dup_onto(other.file.raw, file.raw))
  }

  /// From now on this event signals nobody.
  public func disconnect() throws(Errno) {
    let nobody = try Event()
    try checked(clinux_dup_onto(nobody.file.raw, file.raw))
  }
}

extension File {
  /// Sets or clears O_NONBLOCK on the open file, for everybody who holds it.
  public func setNonBlocking(_ on: Bool) throws(Errno) {
    try checked(clinux_set_nonblocking(raw, on ? 1 : 0))
  }
}

extension Poll {
  /// Something to wait for: input, or room for output.
  public struct Wish: Sendable {
    let file: File
    let output: Bool

    public static func input(_ file: File) -> Wish { Wish(file: file, output: false) }
    public static func output(_ file: File) -> Wish { Wish(file: file, output: true) }
  }

  /// Waits on any number (up to 64) of wishes; true for each that came true, or whose file has an error or was closed
  /// at the other end. Control paths only, it allocates.
  public static func wait(for wishes: [Wish], timeoutNanoseconds: Int64 = -1) -> [Bool] {
    precondition(wishes.count <= 64, "more to wait for than the call takes")
    let raws = wishes.map { $0.file.raw }
    let outputs = wishes.map { $0.output ? UInt8(1) : 0 }
    var ready = [UInt8](repeating: 0, count: wishes.count)
    let result = unsafe clinux_wait_many(raws, outputs, &ready, Int32(wishes.count), timeoutNanoseconds)
    return result > 0 ? ready.map { $0 != 0 } : wishes.map { _ in false }
  }

  /// Waits until `file` takes output; false if `wake` got input first.
  public static func waitWritable(_ file: File, unless wake: File) -> Bool {
    clinux_wait_writable(file.raw, wake.raw) > 0
  }
}

/// The processors this process may use.
public enum Processors {
  public static var usableCount: Int { Int(clinux_usable_processors()) }

  /// Tells the processor that the thread is spinning.
  @inline(__always)
  public static func spinPause() {
    clinux_spin_pause()
  }

  /// Lets a thread run that waits for this processor: whoever spins may be in the way of the one it waits for.
  public static func yield() {
    clinux_yield()
  }
}
