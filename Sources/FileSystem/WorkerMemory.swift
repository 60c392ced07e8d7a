// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Linux
internal import Wire

/// A worker's buffers. One block, because an allocation touches a page, and a share that nobody uses has a worker for
/// each of its queues all the same; the other pages cost nothing before a request needs them.
struct WorkerMemory: ~Copyable {
  /// Enough for the largest fixed arguments, a 64 KiB attribute value, names and extensions.
  private static let inputByteCount = 192 * 1024
  /// The largest reply that is built here (directories); file contents go straight to guest memory.
  private static let outputByteCount = 256 * 1024
  private static let directoryByteCount = 64 * 1024
  private static let smallByteCount = 4096

  private let block = Scratch(
    byteCount: inputByteCount + outputByteCount + directoryByteCount + smallByteCount)

  /// A request's header and arguments.
  var input: Segment { block.segment.prefix(WorkerMemory.inputByteCount) }

  /// A reply.
  var output: Segment { block.segment.dropFirst(WorkerMemory.inputByteCount).prefix(WorkerMemory.outputByteCount) }

  /// A directory's records, or the list of a file's attributes.
  var directoryRecords: Segment {
    block.segment.dropFirst(WorkerMemory.inputByteCount + WorkerMemory.outputByteCount)
      .prefix(WorkerMemory.directoryByteCount)
  }

  /// A rewritten attribute name or an ioctl's argument.
  var small: Segment {
    block.segment.dropFirst(
      WorkerMemory.inputByteCount + WorkerMemory.outputByteCount + WorkerMemory.directoryByteCount)
  }
}
