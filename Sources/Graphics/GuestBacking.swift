// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Guest memory behind a resource: hundreds of pieces where the guest's memory is scattered (a 1280x800 screen came in
// 816). They are translated once, when they are attached, and again when the memory table changes; copies walk along
// them and never search from the start.

internal import GPUProtocol
internal import Linux
internal import Virtio
internal import Wire

/// A run of guest-physical memory.
struct GuestRange: Equatable, Sendable {
  var address: UInt64
  var byteCount: Int
}

/// Ranges as the guest named them, neighbours joined.
struct GuestRanges: Equatable, Sendable {
  private(set) var list: [GuestRange] = []
  private(set) var byteCount = 0

  /// False if the address wraps around.
  mutating func append(_ entry: GPUMemoryEntry) -> Bool {
    let count = Int(entry.length)
    if count == 0 { return true }
    guard !entry.address.addingReportingOverflow(UInt64(count)).overflow else { return false }
    byteCount += count
    if let last = list.last, last.address + UInt64(last.byteCount) == entry.address {
      list[list.count - 1].byteCount += count
    } else {
      list.append(GuestRange(address: entry.address, byteCount: count))
    }
    return true
  }
}

/// The ranges, translated. Immutable, so that a display may copy from it while the guest replaces it.
///
/// Sendable because nothing of it changes, and `memory` keeps what the segments point to mapped; that the guest writes
/// there at any time is so by design.
final class GuestBacking: @unchecked Sendable {
  let ranges: GuestRanges
  private let memory: GuestMemory
  private let pieces: [Segment]
  /// Offset of each piece's first byte in the backing.
  private let starts: [Int]

  /// How long before a piece is copied its first bytes are fetched, in pieces.
  private static let piecesAhead = 3

  var byteCount: Int { ranges.byteCount }
  var pieceCount: Int { pieces.count }

  /// Nil if a byte lies outside of the guest's memory, or if there are more than `mostPieces`: a range that goes on in
  /// another region becomes several.
  init?(_ ranges: GuestRanges, in memory: GuestMemory, mostPieces: Int) {
    var pieces: [Segment] = []
    var starts: [Int] = []
    var start = 0
    for range in ranges.list {
      var address = range.address
      var left = range.byteCount
      while left > 0 {
        guard pieces.count < mostPieces, let piece = memory.piece(guestAddress: address, atMost: left) else {
          return nil
        }
        pieces.append(piece)
        starts.append(start)
        start += piece.count
        left -= piece.count
        address &+= UInt64(piece.count)
      }
    }
    self.ranges = ranges
    self.memory = memory
    self.pieces = pieces
    self.starts = starts
  }

  /// A place in a backing that moves forward with what is copied: rows of a picture come one after the other.
  struct Walk {
    private let backing: GuestBacking
    private var index: Int

    /// - Parameter offset: of the first byte that will be copied.
    init(_ backing: GuestBacking, at offset: Int) {
      self.backing = backing
      // The last piece that begins at or before the offset.
      var low = 0
      var high = backing.starts.count
      while low < high {
        let middle = (low + high) / 2
        if backing.starts[middle] <= offset { low = middle + 1 } else { high = middle }
      }
      index = max(low - 1, 0)
    }

    /// Fills `target` from `offset` on, which must not be before an earlier one. False if the backing ends first.
    mutating func copy(from offset: Int, into target: Segment) -> Bool {
      let (pieces, starts) = (backing.pieces, backing.starts)
      var done = 0
      while done < target.count {
        guard index < pieces.count else { return false }
        let piece = pieces[index]
        let skip = offset + done - starts[index]
        if skip >= piece.count {
          index += 1
          // Each lies elsewhere, and to wait for its first bytes takes a third of the time that a page takes.
          let ahead = index + GuestBacking.piecesAhead
          if ahead < pieces.count { pieces[ahead].prefetch() }
          continue
        }
        let part = piece.dropFirst(skip).prefix(target.count - done)
        target.copyWide(from: part, at: done)
        done += part.count
      }
      return true
    }
  }
}
