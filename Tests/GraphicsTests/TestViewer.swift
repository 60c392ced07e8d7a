// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A VNC viewer, read from RFC 6143 and not from room RFBProtocol: says what a test wants and keeps the picture that it
// is sent.

import CZlib
import Linux
import Support
import Testing
import Wire

final class TestViewer {
  /// A rectangle of an update.
  struct Part: Equatable {
    let x, y, width, height: Int
    let encoding: Int32
  }

  /// How the viewer wants its pixels; the default is what the server offers.
  struct Format {
    var bits = 32
    var depth = 24
    var isBigEndian = false
    /// Red, green, blue.
    var most = [255, 255, 255]
    var shifts = [16, 8, 0]

    var bytes: [UInt8] {
      var bytes = [UInt8(bits), UInt8(depth), isBigEndian ? 1 : 0, 1]
      for number in most { bytes += [UInt8(number >> 8), UInt8(number & 0xff)] }
      return bytes + shifts.map { UInt8($0) } + [0, 0, 0]
    }

    /// A pixel on the wire as one number of three colours, each with the bits that it came with.
    func colours(_ bytes: ArraySlice<UInt8>) -> UInt64 {
      var value = 0
      if isBigEndian {
        for byte in bytes { value = value << 8 | Int(byte) }
      } else {
        for byte in bytes.reversed() { value = value << 8 | Int(byte) }
      }
      return Format.packed(value >> shifts[0] & most[0], value >> shifts[1] & most[1], value >> shifts[2] & most[2])
    }

    static func packed(_ red: Int, _ green: Int, _ blue: Int) -> UInt64 {
      UInt64(red) << 32 | UInt64(green) << 16 | UInt64(blue)
    }
  }

  private let socket: UnixSocket
  private var input: [UInt8] = []
  private let inflater = Inflater()
  var format = Format()
  private(set) var width = 0
  private(set) var height = 0
  /// Colours of every pixel.
  private(set) var pixels: [UInt64] = []
  private(set) var cursor: (hotX: Int, hotY: Int, width: Int, height: Int, pixels: [UInt8], mask: [UInt8])?
  /// Reason and status of the last ExtendedDesktopSize.
  private(set) var sizeNews: (reason: Int, status: Int)?
  private(set) var name = ""

  init(_ path: String) throws {
    socket = try UnixSocket.connect(to: path)
  }

  deinit {
    socket.shutDown()
  }

  // MARK: Bytes

  func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }

  func read(_ count: Int) throws -> [UInt8] {
    while input.count < count {
      guard try more() else { throw Trouble("the server closed") }
    }
    defer { input.removeFirst(count) }
    return Array(input.prefix(count))
  }

  /// False when the server has closed.
  func more(seconds: Int64 = 60) throws -> Bool {
    if Poll.wait(socket.file, nil, timeoutNanoseconds: seconds * 1_000_000_000).first.isEmpty {
      throw Trouble("nothing came")
    }
    let bytes: [UInt8]?
    do {
      bytes = try receive()
    } catch {
      guard (error as? Errno) == .connectionReset else { throw error }
      return false
    }
    input += bytes ?? []
    return bytes != nil
  }

  private func receive() throws -> [UInt8]? {
    var none = ReceivedDescriptors()
    return try socket.receiveOnce(atMost: 1 << 20, descriptors: &none)
  }

  /// Whether something comes at all within a moment.
  var isQuiet: Bool {
    input.isEmpty && Poll.wait(socket.file, nil, timeoutNanoseconds: 200_000_000).first.isEmpty
  }

  func number(_ count: Int) throws -> Int { try read(count).reduce(0) { $0 << 8 | Int($1) } }

  static func big(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  // MARK: Coming in

  /// Up to ServerInit, without a password.
  func enter(version: String = "003.008") throws {
    #expect(try read(12) == Array("RFB 003.008\n".utf8))
    try send(Array("RFB \(version)\n".utf8))
    if version == "003.003" {
      #expect(try number(4) == 1)
    } else {
      #expect(try read(2) == [1, 1])
      try send([1])
      if version == "003.008" { #expect(try number(4) == 0) }
    }
    try initialize()
  }

  func initialize() throws {
    try send([1])
    resize(try number(2), try number(2))
    #expect(try read(16) == Format().bytes)
    name = String(decoding: try read(try number(4)), as: UTF8.self)
  }

  private func resize(_ width: Int, _ height: Int) {
    self.width = width
    self.height = height
    pixels = Array(repeating: .max, count: width * height)
  }

  // MARK: Saying things

  func setFormat(_ format: Format) throws {
    self.format = format
    try send([0, 0, 0, 0] + format.bytes)
  }

  func setEncodings(_ list: [Int32]) throws {
    try send([2, 0] + TestViewer.big(list.count, 2) + list.flatMap { TestViewer.big(Int($0), 4) })
  }

  func request(incremental: Bool = true, x: Int = 0, y: Int = 0, width: Int? = nil, height: Int? = nil) throws {
    let numbers = [x, y, width ?? self.width, height ?? self.height]
    try send([3, incremental ? 1 : 0] + numbers.flatMap { TestViewer.big($0, 2) })
  }

  // MARK: Hearing things

  /// Takes one update in.
  @discardableResult
  func update() throws -> [Part] {
    #expect(try number(1) == 0)
    _ = try read(1)
    let count = try number(2)
    return try (0..<count).map { _ in
      let part = Part(
        x: try number(2), y: try number(2), width: try number(2), height: try number(2),
        encoding: Int32(truncatingIfNeeded: try number(4)))
      try take(part)
      return part
    }
  }

  /// Asks and takes until the picture is this one; fails after many updates.
  func expectSees(_ expected: Picture, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let wanted = expected.pixels.map(reduced)
    for _ in 0..<2000 {
      if width == expected.width, height == expected.height, pixels == wanted { return }
      try request()
      try update()
    }
    Issue.record("the picture never came", sourceLocation: sourceLocation)
  }

  /// A pixel 0xRRGGBB as this viewer's format can say it, rounded.
  func reduced(_ pixel: UInt32) -> UInt64 {
    func shade(_ shift: UInt32, _ most: Int) -> Int {
      Int((Double(Int(pixel >> shift & 0xff) * most) / 255).rounded())
    }
    return Format.packed(shade(16, format.most[0]), shade(8, format.most[1]), shade(0, format.most[2]))
  }

  private func take(_ part: Part) throws {
    switch part.encoding {
    case 0:
      let size = format.bits / 8
      let bytes = try read(part.width * part.height * size)
      for index in 0..<part.width * part.height {
        set(part, index, format.colours(bytes[index * size..<(index + 1) * size]))
      }
    case 16: try takeTiles(part, inflater.inflate(try read(try number(4))))
    case -239:
      let size = part.width * part.height * format.bits / 8
      let pixels = try read(size)
      let mask = try read((part.width + 7) / 8 * part.height)
      cursor = (part.x, part.y, part.width, part.height, pixels, mask)
    case -223: resize(part.width, part.height)
    case -308:
      sizeNews = (part.x, part.y)
      let screens = try number(1)
      let rest = try read(3 + 16 * screens)
      #expect(screens == 1 && Array(rest[11..<15]) == TestViewer.big(part.width << 16 | part.height, 4))
      if part.width != width || part.height != height { resize(part.width, part.height) }
    case -258: break
    default: throw Trouble("an encoding that nobody asked for: \(part.encoding)")
    }
  }

  private func set(_ part: Part, _ index: Int, _ colours: UInt64) {
    let (x, y) = (part.x + index % part.width, part.y + index / part.width)
    guard x < width, y < height else { return }
    pixels[y * width + x] = colours
  }

  /// ZRLE (7.7.6): tiles of 64 by 64 pixels, each with a byte that says how it is written down.
  private func takeTiles(_ part: Part, _ bytes: [UInt8]) throws {
    let tiles = TileReader(bytes, format)
    for top in stride(from: 0, to: part.height, by: 64) {
      for left in stride(from: 0, to: part.width, by: 64) {
        let (width, height) = (min(64, part.width - left), min(64, part.height - top))
        let colours = try tiles.next(width, height)
        for index in 0..<width * height {
          set(part, (top + index / width) * part.width + left + index % width, colours[index])
        }
      }
    }
    #expect(tiles.isAtEnd)
  }
}

/// Takes tiles off what was inflated.
private final class TileReader {
  private let bytes: [UInt8]
  private var place = 0
  private let format: TestViewer.Format
  /// Bytes of a CPIXEL, and which of a pixel's they are: the byte of a true-colour pixel of 32 bits that says nothing
  /// is left out.
  private let size: Int
  private let padding: (before: Int, after: Int)

  init(_ bytes: [UInt8], _ format: TestViewer.Format) {
    self.bytes = bytes
    self.format = format
    let mask = zip(format.most, format.shifts).reduce(0) { $0 | $1.0 << $1.1 }
    let isLow = mask < 1 << 24
    let isShort = format.bits == 32 && format.depth <= 24 && (isLow || mask & 0xff == 0)
    size = isShort ? 3 : format.bits / 8
    padding = !isShort ? (0, 0) : isLow == format.isBigEndian ? (1, 0) : (0, 1)
  }

  var isAtEnd: Bool { place == bytes.count }

  private func take(_ count: Int) throws -> ArraySlice<UInt8> {
    guard bytes.count - place >= count else { throw Trouble("a tile ends too early") }
    place += count
    return bytes[place - count..<place]
  }

  private func colour() throws -> UInt64 {
    let zeroes: [UInt8] = [0]
    let pixel = zeroes.prefix(padding.before) + (try take(size)) + zeroes.prefix(padding.after)
    return format.colours(pixel[...])
  }

  func next(_ width: Int, _ height: Int) throws -> [UInt64] {
    let kind = Int(try take(1).reduce(0) { $0 + $1 })
    guard kind <= 16 else { throw Trouble("tiles of kind \(kind) are not read here") }
    if kind == 0 { return try (0..<width * height).map { _ in try colour() } }
    let palette = try (0..<kind).map { _ in try colour() }
    if kind == 1 { return Array(repeating: palette[0], count: width * height) }
    let bits = kind == 2 ? 1 : kind <= 4 ? 2 : 4
    var colours: [UInt64] = []
    for _ in 0..<height {
      let packed = Array(try take((width * bits + 7) / 8))
      for column in 0..<width {
        let bit = column * bits
        let index = Int(packed[bit / 8]) >> (8 - bits - bit % 8) & (1 << bits - 1)
        guard index < kind else { throw Trouble("a colour outside of the palette") }
        colours.append(palette[index])
      }
    }
    return colours
  }
}

/// One zlib stream for as long as a connection lasts.
@safe private final class Inflater {
  private let state: UnsafeMutablePointer<z_stream>

  init() {
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: z_stream())
    _ = unsafe inflateInit_(state, ZLIB_VERSION, Int32(unsafe MemoryLayout<z_stream>.size))
  }

  deinit {
    _ = unsafe inflateEnd(state)
    unsafe state.deallocate()
  }

  func inflate(_ bytes: [UInt8]) throws -> [UInt8] {
    let input = Scratch(byteCount: bytes.count + 1)
    for (index, byte) in bytes.enumerated() { input.segment.store(byte, at: index) }
    let output = Scratch(byteCount: 1 << 16)
    var result: [UInt8] = []
    unsafe state.pointee.next_in = input.segment.base.assumingMemoryBound(to: UInt8.self)
    unsafe state.pointee.avail_in = UInt32(bytes.count)
    repeat {
      unsafe state.pointee.next_out = output.segment.base.assumingMemoryBound(to: UInt8.self)
      unsafe state.pointee.avail_out = UInt32(output.segment.count)
      let code = unsafe CZlib.inflate(state, Z_SYNC_FLUSH)
      guard code == Z_OK || code == Z_BUF_ERROR else { throw Trouble("zlib says \(code)") }
      result += output.segment.prefix(output.segment.count - Int(unsafe state.pointee.avail_out)).bytes()
    } while unsafe state.pointee.avail_out == 0
    return result
  }
}
