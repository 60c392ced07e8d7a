// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a frame of scattered pages costs a loop in C that does nothing else, without any device in between.

internal import CGatherLoop
internal import Histogram
internal import Linux

final class GatherLimit: Contestant {
  let name = "C loop"
  let role = Role.reference
  let meter: ProcessMeter? = nil
  let isUsable = true

  func runner(for work: Work) throws(HumanError) -> (any Runner)? {
    guard case .picture(let picture) = work.kind, case .gather = picture.task else { return nil }
    return try GatherRunner(picture)
  }

  func close() {}
}

private final class GatherRunner: Runner {
  /// As guest memory is kept.
  private let file: FileDescriptor

  init(_ picture: PictureWork) throws(HumanError) {
    let pageCount = (picture.byteCount + Framebuffer.pageByteCount - 1) / Framebuffer.pageByteCount
    do throws(Errno) {
      file = try MemoryFile.create("bench", byteCount: pageCount * Framebuffer.pageByteCount)
      let result = gather_loop_open(file.file.raw, pageCount, 1)
      if result < 0 { throw Errno(-result) }
    } catch {
      throw .failure("the host has no memory for a loop to compare with (\(error.message))")
    }
  }

  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    var sample = Sample()
    let start = Clock.monotonic
    let processorStart = Clock.threadTime
    var now = start
    repeat {
      let begun = now
      _ = gather_loop_copy()
      now = Clock.monotonic
      sample.operations += 1
      _ = sample.latencies.record(UInt64(max(now - begun, 1)))
    } while now - start < nanoseconds
    sample.nanoseconds = now - start
    sample.processorNanoseconds = Clock.threadTime - processorStart
    return sample
  }

  func finish() { gather_loop_close() }
}
