// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Foundation
import Frontend
import IOUring
import Linux
import Testing
import VirtioProtocol

/// Errors of the image, at the start and later. Invariants:
/// - an image that cannot be served is refused with a sentence that says what to do;
/// - what the image does not give is an I/O error for the guest, and the next request is served.
@Suite(.timeLimit(.minutes(30)))
struct ErrorTests {
  private func refusal(_ path: String, readOnly: Bool = false, direct: DirectIO = .off) -> String {
    do {
      _ = try Image(path: path, readOnly: readOnly, direct: direct)
      return "served"
    } catch {
      return error.message
    }
  }

  @Test func imagesThatCannotBeServedAreRefused() throws {
    #expect(refusal("/nowhere/at/all").contains("does not exist; create it"))
    #expect(refusal("/var/tmp").contains("is a directory; give an image file"))
    #expect(refusal("/dev/null").contains("neither a regular file nor a block device"))
    for (size, sentence) in [(0, "less than a sector"), (511, "less than a sector"), (1000, "no multiple of 512")] {
      let image = try ImageFile(byteCount: size)
      #expect(refusal(image.path).contains(sentence), "\(size)")
    }
    // proc has no direct I/O.
    #expect(refusal("/proc/self/status", readOnly: true, direct: .on).contains("give --direct=prefer"))
  }

  @Test func preferFallsBackToThePageCache() throws {
    let image = try ImageFile(byteCount: 1 << 20)
    #expect(try Image(path: image.path, readOnly: false, direct: .prefer).isDirect)
    #expect(try !Image(path: image.path, readOnly: false, direct: .off).isDirect)
    // A file of a kernel file system says EINVAL for O_DIRECT; its size of 0 comes to light later.
    #expect(refusal("/proc/self/status", readOnly: true, direct: .prefer).contains("less than a sector"))
  }

  /// linux/io_uring.h: IORING_FEAT_RSRC_TAGS came with 5.13, as standing polls did; 0x3ff is what 5.12 says.
  @Test func kernelsWithoutStandingPollsGetNoRing() {
    let polls = RingPlan(capacity: 8, operations: [.read, .poll])
    #expect(!polls.isPossible(withFeatures: 0x3ff))
    #expect(polls.isPossible(withFeatures: 0x7ff))
    #expect(RingPlan(capacity: 8, operations: [.read]).isPossible(withFeatures: 0x3ff))
  }

  /// The medium's errors: an image that became shorter under a running guest.
  @Test(arguments: Way.all)
  func whatTheImageDoesNotGiveIsAnError(_ way: Way) throws {
    let contents = pattern(1 << 20)
    let disk = try Disk(way, byteCount: 1 << 20, contents: contents)
    try disk.image.resize(1 << 19)
    for (sector, count) in [(1024, 4096), (2047, 512), (1020, 4096), (1023, 1 << 16)] {
      let request = BlockRequest(BlockRequestHeader(.read, sector: UInt64(sector)), receivedByteCount: count)
      let answer = try disk.client.answer(to: request)
      #expect(answer.status == BlockStatus.ioError.rawValue, "\(count) from \(sector)")
      #expect(answer.usedByteCount == count + 1)
    }
    #expect(disk.backend.reports.all.contains { $0.contains("a read of the image") })
    #expect(try disk.client.read(sector: 0, byteCount: 1 << 19) == Array(contents[0..<1 << 19]))
  }
}
