// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Locks on an image, byte for byte those of QEMU's file driver (block/file-posix.c), so that QEMU, qemu-img and this
// daemon keep each other out. Byte 100 + N says "somebody does N", byte 200 + N "nobody else may do N". All of them are
// read locks, which never exclude each other; a write lock is only asked about (F_OFD_GETLK), to see who has one.

public import Linux

/// What a holder of an image does with it.
public enum ImageUse: Sendable {
  case read
  case write

  /// As QEMU's BLK_PERM_*: consistent read 0, write 1, write unchanged 2, resize 3.
  fileprivate var does: [Int64] {
    switch self {
    case .read: [0]
    case .write: [0, 1]
    }
  }

  /// A reader wants the bytes and the size to stay. A writer is prepared for an image that grows, as QEMU's disk is.
  fileprivate var forbids: [Int64] {
    switch self {
    case .read: [1, 3]
    case .write: [1]
    }
  }
}

/// Takes the locks; they stay as long as the open file does, in whatever process it is open.
public enum ImageLock {
  private static let permissionBase: Int64 = 100
  private static let sharedBase: Int64 = 200
  private static let permissions: Int64 = 4

  /// How long a lock is waited for that no process seems to have.
  private static let patienceNanoseconds: Int64 = 15_000_000_000

  /// Locks an open image (readable at least) for `use`, or says who has it.
  public static func take(_ file: File, for use: ImageUse, path: Path) throws(ImageError) {
    let deadline = Clock.monotonic + patienceNanoseconds
    while true {
      do throws(Refusal) {
        return try attempt(file, for: use, path)
      } catch {
        // The io_uring of a process that has just died lets go of its files a moment after the process.
        guard case .heldByNobody(let conflict) = error else { throw error.error }
        if Clock.monotonic > deadline { throw conflict }
        _ = Poll.wait(nil, nil, timeoutNanoseconds: 20_000_000)
      }
    }
  }

  private enum Refusal: Error {
    case final(ImageError)
    /// The lock is taken and no process is seen that has it.
    case heldByNobody(ImageError)

    var error: ImageError {
      switch self {
      case .final(let error), .heldByNobody(let error): error
      }
    }
  }

  private static func attempt(_ file: File, for use: ImageUse, _ path: Path) throws(Refusal) {
    // Taken first and looked around after: of two that come at the same time at least one sees the other.
    for byte in use.does.map({ permissionBase + $0 }) + use.forbids.map({ sharedBase + $0 }) {
      try lock(file, byte, use, path)
    }
    for byte in use.does.map({ sharedBase + $0 }) + use.forbids.map({ permissionBase + $0 }) {
      if try isTaken(file, byte, path) {
        release(file)
        throw conflict(file, byte, use, path)
      }
    }
  }

  /// Gives the locks back while the file stays open.
  public static func release(_ file: File) {
    for base in [permissionBase, sharedBase] {
      try? file.lockRange(RangeLock(kind: .unlock, start: base, length: permissions))
    }
  }

  private static func lock(_ file: File, _ byte: Int64, _ use: ImageUse, _ path: Path) throws(Refusal) {
    do {
      try file.lockRange(RangeLock(kind: .read, start: byte, length: 1))
    } catch .tryAgain, .accessDenied {
      // A program that locks the whole file, as Cloud Hypervisor does.
      release(file)
      throw conflict(file, byte, use, path)
    } catch {
      throw noLocks(path, error)
    }
  }

  private static func isTaken(_ file: File, _ byte: Int64, _ path: Path) throws(Refusal) -> Bool {
    do {
      return try file.testRange(RangeLock(kind: .write, start: byte, length: 1)).kind != .unlock
    } catch {
      release(file)
      throw noLocks(path, error)
    }
  }

  private static func noLocks(_ path: Path, _ error: Errno) -> Refusal {
    .final(
      .failure(
        "the image \(path) cannot be locked (\(error.message)); make sure that nothing else uses it, "
          + "and give --locking=off"))
  }

  private static func conflict(_ file: File, _ byte: Int64, _ use: ImageUse, _ path: Path) -> Refusal {
    let holder = LockHolder.find(of: file, at: byte)
    let who =
      switch holder {
      case .some(let holder) where holder.process == CurrentProcess.identifier: "this process, which was given it twice"
      case .some(let holder): "\(holder.name) (process \(holder.process))"
      case nil: "another process"
      }
    let advice =
      switch use {
      case .read: "an image can be shared only by readers, so stop the one that writes"
      case .write: "stop that one first, or let both open it read-only"
      }
    let error = ImageError.failure("the image \(path) is in use by \(who); \(advice)")
    return holder == nil ? .heldByNobody(error) : .final(error)
  }
}
