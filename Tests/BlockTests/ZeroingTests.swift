// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Frontend
import Linux
import Testing
import VirtioProtocol

/// Zeroing by hand, where the file system has no better way (tmpfs). Invariants: a guest that asks for more zeroes than
/// the host writes in an hour keeps neither its other requests waiting for them nor whoever stops its ring.
@Suite(.timeLimit(.minutes(30)))
struct ZeroingTests {
  private static let byteCount = 32 << 20
  private static let whole = BlockRange(sector: 0, numSectors: UInt32(byteCount / 512))

  private func disk() throws -> Disk {
    try Disk(.memory, byteCount: Self.byteCount, contents: pattern(4096))
  }

  private func zeroing(_ times: Int) -> BlockRequest {
    BlockRequest(.writeZeroes, ranges: Array(repeating: Self.whole, count: times))
  }

  @Test func everythingIsZeroedThatWasAskedFor() throws {
    let disk = try disk()
    try disk.client.perform(zeroing(2))
    #expect(try disk.image.bytes(at: 0, count: Self.byteCount).allSatisfy { $0 == 0 })
    #expect(disk.image.allocated >= Self.byteCount)
  }

  @Test func othersGetTheirTurn() throws {
    let disk = try disk()
    // More of them than there are helpers, and each takes long.
    var zeroings: Set<UInt64> = []
    for _ in 0..<24 { zeroings.insert(try disk.client.add(zeroing(64))) }
    let discard = try disk.client.add(BlockRequest(.discard, ranges: [BlockRange(sector: 8, numSectors: 8)]))
    disk.client.flush()
    var before = 0
    while case let token = try disk.client.complete().token, token != discard {
      #expect(zeroings.contains(token))
      before += 1
    }
    // One after the other, all but as many as there are helpers would be through.
    #expect(before < 12)
  }

  @Test func aRingIsStoppedInTheMiddle() throws {
    let disk = try disk()
    for _ in 0..<16 { try disk.client.add(zeroing(256)) }
    // The device has taken all of them when this one is answered.
    let last = try disk.client.submit(BlockRequest(BlockRequestHeader(.getID, sector: 0), receivedByteCount: 20))
    var statuses: [UInt8] = []
    while case let (token, answer) = try disk.client.complete(), token != last { statuses.append(answer.status) }
    try disk.driver.stop()
    while let answer = try disk.client.completeWithoutWaiting() { statuses.append(answer.answer.status) }
    // "Unsupported" has a driver write the zeroes itself.
    #expect(statuses.allSatisfy { $0 == 0 || $0 == BlockStatus.unsupported.rawValue }, "\(statuses)")
    #expect(statuses.contains(BlockStatus.unsupported.rawValue))
    #expect(statuses.count == 16)
    try disk.driver.start()
    try disk.client.writeZeroes(BlockRange(sector: 0, numSectors: 8))
    #expect(try disk.client.read(sector: 0, byteCount: 4096) == [UInt8](repeating: 0, count: 4096))
  }
}
