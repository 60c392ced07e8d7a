// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A picture that was taken, and the files that it makes.

internal import Linux
internal import Synchronization
internal import Wire

/// A whole picture of a scanout.
public struct Frame: Sendable, Equatable {
  public let width: Int
  public let height: Int
  private let memory: AnonymousMemory

  /// Nil if a picture of this size has another number of bytes.
  public init?(width: Int, height: Int, pixels: [UInt8]) {
    guard let memory = try? AnonymousMemory(byteCount: pixels.count) else { return nil }
    for (index, byte) in pixels.enumerated() { memory.segment.store(byte, at: index) }
    self.init(width: width, height: height, memory)
  }

  /// Takes over memory that nobody writes to any more.
  init?(width: Int, height: Int, _ memory: AnonymousMemory) {
    guard width > 0, height > 0, memory.byteCount == width * height * PixelFormat.bytesPerPixel else { return nil }
    self.width = width
    self.height = height
    self.memory = memory
  }

  /// Rows of 0xAARRGGBB pixels, little-endian: the bytes are blue, green, red and one that means nothing.
  public var pixels: [UInt8] { memory.segment.bytes() }

  public static func == (one: Frame, other: Frame) -> Bool {
    (one.width, one.height) == (other.width, other.height) && one.pixels == other.pixels
  }

  /// Red, green and blue of the pixels of some rows, each row behind a head, all of them behind another; nil if there
  /// is no memory for them. One byte of it is too many.
  private func colours(of rows: Range<Int>, behind head: [UInt8] = [], rowHead: [UInt8] = []) -> AnonymousMemory? {
    let byteCount = head.count + (rowHead.count + width * 3) * rows.count
    // One more, because a pixel is stored with a fourth byte, which the next one overwrites.
    guard let result = try? AnonymousMemory(byteCount: byteCount + 1, isUsedWhole: true) else { return nil }
    let (source, target) = (memory.segment, result.segment)
    var (from, to) = (rows.lowerBound * width * PixelFormat.bytesPerPixel, 0)
    for byte in head {
      target.store(byte, at: to)
      to += 1
    }
    for _ in rows {
      for byte in rowHead {
        target.store(byte, at: to)
        to += 1
      }
      let end = from + width * PixelFormat.bytesPerPixel
      // Four pixels become three words.
      while end - from >= 16, let low = source.load(UInt64.self, at: from),
        let high = source.load(UInt64.self, at: from + 8)
      {
        let (one, two) = (Frame.colours(low), Frame.colours(low >> 32))
        let (three, four) = (Frame.colours(high), Frame.colours(high >> 32))
        target.store(one | two << 24, at: to)
        target.store(two >> 8 | three << 16, at: to + 4)
        target.store(three >> 16 | four << 8, at: to + 8)
        from += 16
        to += 12
      }
      while from < end, let pixel = source.load(UInt32.self, at: from) {
        target.store(Frame.colours(UInt64(pixel)), at: to)
        from += PixelFormat.bytesPerPixel
        to += 3
      }
    }
    return result
  }

  /// 0xXXRRGGBB as 0x00BBGGRR, which is red first in memory.
  private static func colours(_ pixel: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: pixel).byteSwapped >> 8 }

  /// Netpbm's binary format (ppm(5)), as QEMU's screendump writes it. Nil if there is not enough memory for it.
  public var ppm: [UInt8]? {
    let memory = colours(of: 0..<height, behind: Array("P6\n\(width) \(height)\n255\n".utf8))
    return memory.map { $0.segment.prefix($0.byteCount - 1).bytes() }
  }

  /// A thread that compresses some rows.
  private final class Helper {
    private final class Result: Sendable {
      let piece = Mutex<Deflate.Piece?>(nil)
    }

    private let result = Result()
    private var thread: Thread?

    init(_ frame: Frame, _ rows: Range<Int>) {
      let result = result
      thread = try? Thread(name: "png") {
        let piece = frame.compress(rows)
        result.piece.withLock { $0 = piece }
      }
    }

    /// Waits for it; nil if there was no thread or no memory to be had.
    func finish() -> Deflate.Piece? {
      if let thread = thread.take() { thread.join() }
      return result.piece.withLock { $0 }
    }
  }

  /// Each thread more is worth its start.
  private static let mostThreads = 4
  /// zlib's fastest: a person waits for the picture, and the next level takes half as long again for a tenth less.
  private static let level: Int32 = 1

  private func compress(_ rows: Range<Int>) -> Deflate.Piece? {
    // Each row begins with the number of its filter.
    colours(of: rows, rowHead: [0]).flatMap { memory in
      Deflate.piece(
        of: memory.segment.prefix(memory.byteCount - 1), isLast: rows.upperBound == height, level: Frame.level)
    }
  }

  /// PNG (ISO/IEC 15948): 8 bits a colour, no filter. Nil if there is not enough memory to compress it.
  public var png: [UInt8]? {
    guard let pieces = compressed() else { return nil }
    func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
      let body = Array(type.utf8) + data
      return word(data.count) + body + word(Int(Deflate.checksum(body)))
    }
    let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    // Depth 8, true colour; the only compression, filter and interlace methods 0.
    let head = word(width) + word(height) + [8, 2, 0, 0, 0]
    return signature + chunk("IHDR", head) + chunk("IDAT", Deflate.join(pieces)) + chunk("IEND", [])
  }

  /// All rows, by as many threads as there are processors.
  private func compressed() -> [Deflate.Piece]? {
    let count = max(min(Processors.usableCount, Frame.mostThreads, height), 1)
    let cuts = (0...count).map { height * $0 / count }
    let helpers = (1..<count).map { Helper(self, cuts[$0]..<cuts[$0 + 1]) }
    var pieces = [compress(cuts[0]..<cuts[1])]
    for (index, helper) in helpers.enumerated() {
      // Where there is no thread to be had it is done here.
      pieces.append(helper.finish() ?? compress(cuts[index + 1]..<cuts[index + 2]))
    }
    let made = pieces.compactMap { $0 }
    return made.count == count ? made : nil
  }
}
