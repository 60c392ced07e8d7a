// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the host itself does with a large sequential transfer: one read(2) or write(2) after the other on the same
// file. No backend can be faster with one thread; the tables say how close one comes.

internal import Histogram
internal import Linux
internal import Wire

final class HostLoop: Contestant {
  let name = "host loop"
  let role = Role.reference
  let meter: ProcessMeter? = nil
  let isUsable = true
  private let directory: String

  init(in directory: String) {
    self.directory = directory
  }

  /// Nil for a work that has no such loop.
  func runner(for work: Work) throws(HumanError) -> (any Runner)? {
    guard case .data(let pattern) = work.kind, pattern.byteCount == 1 << 20, !pattern.isRandom, work.depth == 1,
      work.jobs == 1
    else { return nil }
    return try HostTransfers(pattern, "\(directory)/\(ShareFiles.file(for: pattern))")
  }

  func close() {}
}

private final class HostTransfers: Runner {
  private let pattern: DataPattern
  private let file: FileDescriptor
  /// Shared memory, as a guest's is: direct I/O is as fast as its pages lie together.
  private let memory: Mapping

  init(_ pattern: DataPattern, _ path: String) throws(HumanError) {
    self.pattern = pattern
    do throws(Errno) {
      file = try Path(path).open(flags: OpenFlags.readWrite | (pattern.isDirect ? OpenFlags.direct : 0))
      let shared = try MemoryFile.create("bench", byteCount: pattern.byteCount)
      memory = try Mapping(shared.file, byteCount: pattern.byteCount)
    } catch {
      throw .failure("the host cannot open \(path): \(error.message)")
    }
    memory.segment.zero()
  }

  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    var sample = Sample()
    let start = Clock.monotonic
    let processorStart = Clock.threadTime
    var now = start
    do throws(Errno) {
      let size = Int64(try file.file.status().size)
      var offset = try file.file.seek(0, whence: 1)
      repeat {
        if offset + Int64(pattern.byteCount) > size { offset = try file.file.seek(0, whence: 0) }
        let moved =
          pattern.writes ? try file.file.write(memory.segment) : try file.file.read(into: memory.segment)
        guard moved == pattern.byteCount else { throw .inputOutput }
        offset += Int64(moved)
        sample.operations += 1
        let end = Clock.monotonic
        _ = sample.latencies.record(UInt64(max(end - now, 1)))
        now = end
      } while now - start < nanoseconds
    } catch {
      throw .failure("the host's own transfer failed: \(error.message)")
    }
    sample.nanoseconds = now - start
    sample.processorNanoseconds = Clock.threadTime - processorStart
    return sample
  }

  func finish() {}
}
