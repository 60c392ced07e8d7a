// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing

/// Remote locks. Invariants: they hold against the host and between owners, they end with their owner or their file,
/// no request ever waits; without the options no lock request does anything.
@Suite(.timeLimit(.minutes(30)))
struct LockTests {
  private let read: UInt32 = 0
  private let write: UInt32 = 1
  private let none: UInt32 = 2

  private func lock(
    _ handle: UInt64, _ type: UInt32, _ range: ClosedRange<UInt64> = 0...UInt64(Int64.max), owner: UInt64 = 1,
    flock: Bool = false
  ) -> FuseLkIn {
    FuseLkIn(
      fh: handle, owner: owner, lk: FuseFileLock(start: range.lowerBound, end: range.upperBound, type: type, pid: 1),
      lkFlags: flock ? .flock : [])
  }

  private func mount() throws -> Mount {
    try Mount {
      $0.posixLocks = true
      $0.flock = true
    }
  }

  @Test func locksHoldBetweenOwners() throws {
    let mount = try mount()
    let (node, first) = try mount.open("file")
    let second = try mount.client.open(node, flags: UInt32(O_RDWR)).fh
    try mount.client.setlk(node, lock(first, write, 10...19, owner: 1))
    expectRefused(.tryAgain) { try mount.client.setlk(node, lock(second, read, 0...10, owner: 2)) }
    expectRefused(.tryAgain) { try mount.client.setlk(node, lock(second, write, owner: 2)) }
    try mount.client.setlk(node, lock(second, write, 0...9, owner: 2))
    try mount.client.setlk(node, lock(second, write, 20...UInt64(Int64.max), owner: 2))
    let found = try mount.client.getlk(node, lock(second, write, 0...100, owner: 2))
    #expect(found.type == write && found.start == 10 && found.end == 19)
    #expect(try mount.client.getlk(node, lock(second, write, 30...40, owner: 2)).type == none)
    try mount.client.setlk(node, lock(first, none, owner: 1))
    try mount.client.setlk(node, lock(second, write, owner: 2))
  }

  @Test func locksHoldAgainstTheHost() throws {
    let mount = try mount()
    let (node, handle) = try mount.open("file")
    let host = try Host.open(mount.path("file"), O_RDWR)
    try mount.client.setlk(node, lock(handle, write, 0...9))
    #expect(throws: Errno.tryAgain) { try host.file.lockRange(RangeLock(kind: .read, start: 5, length: 1)) }
    try host.file.lockRange(RangeLock(kind: .write, start: 10, length: 1))
    expectRefused(.tryAgain) { try mount.client.setlk(node, lock(handle, write, 5...10)) }
    try mount.client.setlk(node, lock(handle, write, flock: true))
    #expect(throws: Errno.tryAgain) { try host.file.lockWhole(1) }
    try mount.client.setlk(node, lock(handle, none, flock: true))
    try host.file.lockWhole(2)
    expectRefused(.tryAgain) { try mount.client.setlk(node, lock(handle, read, flock: true)) }
  }

  @Test func aLockThatWouldWaitIsRefusedAndOneThatNeedNotIsTaken() throws {
    let mount = try mount()
    let (node, handle) = try mount.open("file")
    let host = try Host.open(mount.path("file"), O_RDWR)
    try host.file.lockRange(RangeLock(kind: .write, start: 0, length: 10))
    expectRefused(.notSupported) { try mount.client.setlk(node, lock(handle, write, 0...3), waits: true) }
    try mount.client.setlk(node, lock(handle, write, 20...30), waits: true)
    #expect(throws: Errno.tryAgain) { try host.file.lockRange(RangeLock(kind: .write, start: 25, length: 1)) }
  }

  @Test func locksEndWithFlushReleaseAndTheMount() throws {
    let mount = try mount()
    let (node, handle) = try mount.open("file")
    let host = try Host.open(mount.path("file"), O_RDWR)
    func isFree() -> Bool {
      guard (try? host.file.lockRange(RangeLock(kind: .write, start: 0, length: 0))) != nil else { return false }
      return (try? host.file.lockRange(RangeLock(kind: .unlock, start: 0, length: 0))) != nil
    }
    try mount.client.setlk(node, lock(handle, write))
    #expect(!isFree())
    try mount.client.flush(node, handle, lockOwner: 1)
    #expect(isFree())
    // What a close lets go of may be held for a moment more: by a process that another test is just starting.
    func isFreeSoon() -> Bool {
      let deadline = Linux.Clock.monotonic + 60_000_000_000
      while !isFree() {
        guard Linux.Clock.monotonic < deadline else { return false }
        _ = Poll.wait(nil, nil, timeoutNanoseconds: 1_000_000)
      }
      return true
    }
    try mount.client.setlk(node, lock(handle, write))
    try mount.client.release(node, handle)
    #expect(isFreeSoon())
    let again = try mount.client.open(node, flags: UInt32(O_RDWR)).fh
    try mount.client.setlk(node, lock(again, write))
    try mount.client.initialize(Mount.linux)
    #expect(isFreeSoon())
  }

  /// A process that opens a file twice does not stand in its own way, and its child does not inherit its locks.
  @Test func posixLocksBelongToTheirOwnerAndNotToTheHandle() throws {
    let mount = try mount()
    let (node, first) = try mount.open("file")
    let second = try mount.client.open(node, flags: UInt32(O_RDWR)).fh
    try mount.client.setlk(node, lock(first, write, 0...9, owner: 1))
    try mount.client.setlk(node, lock(second, write, 0...9, owner: 1))
    expectRefused(.tryAgain) { try mount.client.setlk(node, lock(first, write, 0...9, owner: 2)) }
  }

  @Test func withoutTheOptionsLockRequestsAreNotImplemented() throws {
    let mount = try Mount()
    let (node, handle) = try mount.open("file")
    for whole in [false, true] {
      expectRefused(.notImplemented) { try mount.client.setlk(node, lock(handle, write, flock: whole)) }
      expectRefused(.notImplemented) { try mount.client.setlk(node, lock(handle, write, flock: whole), waits: true) }
    }
    expectRefused(.notImplemented) { try mount.client.getlk(node, lock(handle, write)) }
    let host = try Host.open(mount.path("file"), O_RDWR)
    try host.file.lockRange(RangeLock(kind: .write, start: 0, length: 0))
  }

  @Test func nonsenseIsRefused() throws {
    let mount = try mount()
    let (node, handle) = try mount.open("file")
    for type in [3, 7, 65536, .max] as [UInt32] {
      expectRefused(.invalid) { try mount.client.setlk(node, lock(handle, type)) }
    }
    expectRefused(.invalid) { try mount.client.setlk(node, lock(handle, write, (1 << 63)...(.max))) }
    let backwards = FuseLkIn(
      fh: handle, owner: 1, lk: FuseFileLock(start: 10, end: 5, type: write, pid: 1), lkFlags: [])
    expectRefused(.invalid) { try mount.client.setlk(node, backwards) }
    expectRefused(.badDescriptor) { try mount.client.setlk(node, lock(handle ^ 1 << 40, write)) }
  }
}
