// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import BlockProtocol
internal import Wire

/// A request to a block device as bytes, and how they are spread over buffers.
public struct BlockRequest: Sendable {
  public var header: BlockRequestHeader
  /// The data that the device reads.
  public var sent: [UInt8]
  /// The data that the device writes, without the status.
  public var receivedByteCount: Int
  /// Where the readable bytes (header, then data) are cut into buffers; in bytes from the start, increasing.
  public var readableCuts: [Int]
  /// Where the writable bytes (data, then status) are cut.
  public var writableCuts: [Int]
  /// Buffers begin this many bytes behind a page's start.
  public var misalignment = 0
  /// False leaves out the status byte, which no device can answer.
  public var hasStatus = true

  /// Header, data and status in buffers of their own.
  public init(_ header: BlockRequestHeader, sent: [UInt8] = [], receivedByteCount: Int = 0) {
    self.header = header
    self.sent = sent
    self.receivedByteCount = receivedByteCount
    readableCuts = [BlockRequestHeader.byteCount]
    writableCuts = receivedByteCount > 0 ? [receivedByteCount] : []
  }

  /// A list of ranges to discard, zero or erase.
  public init(_ type: BlockRequestType, ranges: [BlockRange]) {
    self.init(BlockRequestHeader(type, sector: 0), sent: ranges.flatMap { $0.bytes })
  }

  /// Cuts the data into buffers of `byteCount` bytes.
  public mutating func cutData(every byteCount: Int) {
    let start = BlockRequestHeader.byteCount
    readableCuts = [start] + stride(from: start + byteCount, to: start + sent.count, by: byteCount)
    writableCuts = stride(from: byteCount, to: receivedByteCount, by: byteCount) + [receivedByteCount]
    if receivedByteCount == 0 { writableCuts = [] }
  }

  /// Lengths of the pieces between the cuts.
  static func pieces(of byteCount: Int, cuts: [Int]) -> [Int] {
    var pieces: [Int] = []
    var start = 0
    for cut in cuts where cut > start && cut < byteCount {
      pieces.append(cut - start)
      start = cut
    }
    if byteCount > start { pieces.append(byteCount - start) }
    return pieces
  }
}

/// What came back for a request.
public struct BlockAnswer: Sendable, Equatable {
  /// The last writable byte; 0xff if the device wrote none.
  public let status: UInt8
  /// What the device says it wrote: data and status.
  public let usedByteCount: Int
  /// The writable bytes without the status.
  public let data: [UInt8]

  /// Says what a driver makes of the status.
  public func checked() throws(BlockError) -> BlockAnswer {
    switch BlockStatus(rawValue: status) {
    case .ok: return self
    case .some(let status): throw .refused(status)
    case nil: throw .malformed("the status is \(status)")
    }
  }
}
