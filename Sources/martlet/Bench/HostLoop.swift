// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the host itself does with a large sequential transfer: one read(2) or write(2) after the other on the same
// file. No backend can be faster with one thread; the tables say how close one comes.

internal import Histogram
internal import Linux
internal import Wire

final class HostLoop {
  static let name = "host loop"
  /// Least part of its speed that we promise.
  static let target = 0.9

  private let pattern: DataLoad.Pattern
  private let file: FileDescriptor
  private let block: Scratch
  private var offset: Int64 = 0

  /// Nil for a work that has no such loop.
  init?(_ work: Work, in directory: String) {
    guard case .data(let pattern) = work.kind, pattern.byteCount == 1 << 20, !pattern.isRandom, work.depth == 1
    else { return nil }
    let name = pattern.isDirect ? ShareFiles.directFile : ShareFiles.bufferedFile
    let flags = OpenFlags.readWrite | (pattern.isDirect ? OpenFlags.direct : 0)
    guard let file = try? Path("\(directory)/\(name)").open(flags: flags) else { return nil }
    self.pattern = pattern
    self.file = file
    block = Scratch(byteCount: pattern.byteCount)
    block.segment.zero()
  }

  func run(nanoseconds: Int64) throws(HumanError) -> Sample {
    var sample = Sample()
    let start = Clock.monotonic
    let processorStart = Clock.threadTime
    var now = start
    do throws(Errno) {
      while now - start < nanoseconds {
        if offset + Int64(pattern.byteCount) > Int64(ShareFiles.fileByteCount) { offset = 0 }
        if offset == 0 { try file.file.seek(0, whence: 0) }
        let moved =
          pattern.writes ? try file.file.write(block.segment) : try file.file.read(into: block.segment)
        guard moved == pattern.byteCount else { throw .inputOutput }
        offset += Int64(moved)
        sample.operations += 1
        let end = Clock.monotonic
        _ = sample.latencies.record(UInt64(max(end - now, 1)))
        now = end
      }
    } catch {
      throw .failure("the host's own transfer failed: \(error.message)")
    }
    sample.nanoseconds = now - start
    sample.processorNanoseconds = Clock.threadTime - processorStart
    return sample
  }
}
