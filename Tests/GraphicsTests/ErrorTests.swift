// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Graphics
import Testing
import Wire

/// Every way to be wrong has its answer (VIRTIO 1.3 section 5.7.6.7), each command is answered, and the device works
/// on afterwards.
@Suite(.timeLimit(.minutes(30)))
struct ErrorTests {
  private let bench: Bench
  private var client: GPUClient { bench.client }
  private static let size = 32

  /// Resource 1 is a picture with backing, 2 one without, 3 a blob, 4 a blob without memory.
  init() throws {
    var options = GraphicsOptions()
    options.scanoutCount = 2
    options.memoryLimit = 4 << 20
    bench = try Bench(options)
    let buffer = try bench.ram.allocate(Self.size * Self.size * 4)
    #expect(try bench.client.createResource(1, width: Self.size, height: Self.size) == .okNoData)
    #expect(try bench.client.attach(1, [buffer]) == .okNoData)
    #expect(try bench.client.createResource(2, width: Self.size, height: Self.size) == .okNoData)
    #expect(try bench.client.createBlob(3, byteCount: UInt64(buffer.count), [buffer]) == .okNoData)
    #expect(try bench.client.createBlob(4, byteCount: UInt64(buffer.count), []) == .okNoData)
  }

  @Test func resourcesThatCannotBeMade() throws {
    #expect(try client.createResource(0, width: 1, height: 1) == .errorInvalidResource)
    #expect(try client.createResource(1, width: 1, height: 1) == .errorInvalidResource)
    #expect(try client.createResource(3, width: 1, height: 1) == .errorInvalidResource)
    #expect(try client.createResource(9, width: 0, height: 1) == .errorInvalidParameter)
    #expect(try client.createResource(9, width: 1, height: 0) == .errorInvalidParameter)
    for format: UInt32 in [0, 5, 66, 69, 120, 135, .max] {
      #expect(
        try client.createResource(9, width: 1, height: 1, format: GPUFormat(rawValue: format))
          == .errorInvalidParameter)
    }
    // 4 GiB * 4 GiB * 4 bytes is 0 in 64 bits, 65536 * 65536 * 4 is 0 in 32.
    for (width, height) in [(0xffff_ffff, 0xffff_ffff), (0x8000_0000, 0x8000_0000), (65536, 65536), (1025, 1025)] {
      #expect(try client.createResource(9, width: width, height: height) == .errorOutOfMemory)
    }
    #expect(try client.createResource(9, width: 512, height: 512) == .okNoData)
  }

  @Test func theMemoryLimitHoldsAndIsGivenBack() throws {
    let before = bench.device.memoryInUse
    var made: [UInt32] = []
    while try client.createResource(UInt32(100 + made.count), width: 256, height: 256) == .okNoData {
      made.append(UInt32(100 + made.count))
      try #require(made.count < 100)
    }
    // 4 MiB hold 16 pictures of 256 KiB, less what is kept about them.
    #expect(made.count == 15)
    #expect(bench.device.memoryInUse <= 4 << 20)
    for id in made { #expect(try client.unreference(id) == .okNoData) }
    #expect(bench.device.memoryInUse == before)
    #expect(try client.createResource(100, width: 512, height: 512) == .okNoData)
  }

  @Test func resourcesThatAreNotThere() throws {
    let whole = rectangle(0, 0, 1, 1)
    for id: UInt32 in [0, 77, .max] {
      #expect(try client.unreference(id) == .errorInvalidResource)
      #expect(try client.attach(id, []) == .errorInvalidResource)
      #expect(try client.detach(id) == .errorInvalidResource)
      #expect(try client.transfer(id, whole, stride: 4) == .errorInvalidResource)
      #expect(try client.flush(id, whole) == .errorInvalidResource)
      let uuid = GPUResourceReference(header: GPUControlHeader(.resourceAssignUUID), resourceID: id)
      #expect(try client.send(uuid) == .errorInvalidResource)
      if id == 0 { continue }
      #expect(try client.setScanout(0, id, whole) == .errorInvalidResource)
      #expect(try client.setScanoutBlob(0, id, width: 1, height: 1, stride: 4) == .errorInvalidResource)
      #expect(try client.cursor(.updateCursor, resource: id) == .errorInvalidResource)
    }
  }

  @Test func scanoutsThatAreNotThere() throws {
    for scanout: UInt32 in [2, 16, .max] {
      #expect(try client.setScanout(scanout, 1, rectangle(0, 0, 1, 1)) == .errorInvalidScanout)
      #expect(try client.setScanout(scanout, 0) == .errorInvalidScanout)
      #expect(try client.setScanoutBlob(scanout, 3, width: 1, height: 1, stride: 4) == .errorInvalidScanout)
      #expect(try client.cursor(.updateCursor, scanout: scanout) == .errorInvalidScanout)
      #expect(try client.cursor(.moveCursor, scanout: scanout) == .errorInvalidScanout)
      let edid = GPUGetEDID(header: GPUControlHeader(.getEDID), scanoutID: scanout)
      #expect(try client.send(edid) == .errorInvalidScanout)
    }
  }

  /// Rectangles that leave a picture of 32 by 32, or are empty.
  static let outside: [GPURectangle] = [
    rectangle(0, 0, 33, 1), rectangle(0, 0, 1, 33), rectangle(32, 0, 1, 1), rectangle(0, 32, 1, 1),
    rectangle(31, 31, 2, 1), rectangle(0, 0, 0, 1), rectangle(0, 0, 1, 0),
    GPURectangle(x: .max, y: 0, width: 2, height: 1), GPURectangle(x: 0, y: .max, width: 1, height: 2),
    GPURectangle(x: 1, y: 1, width: .max, height: .max), GPURectangle(x: .max, y: .max, width: .max, height: .max),
  ]

  @Test(arguments: outside.indices)
  func rectanglesThatLeaveThePicture(index: Int) throws {
    let part = Self.outside[index]
    #expect(try client.transfer(1, part, stride: 0) == .errorInvalidParameter)
    #expect(try client.flush(1, part) == .errorInvalidParameter)
    #expect(try client.setScanout(0, 1, part) == .errorInvalidParameter)
    #expect(
      try client.setScanoutBlob(0, 3, width: 32, height: 32, stride: 128, part: part) == .errorInvalidParameter)
    #expect(bench.device.scanouts.allSatisfy { $0.shownWidth == nil })
  }

  @Test func transfersThatLeaveTheBacking() throws {
    #expect(try client.transfer(2, rectangle(0, 0, 1, 1), stride: 128) == .errorUnspecified)
    let size = UInt64(Self.size * Self.size * 4)
    for offset in [1, 4, size - 3, size, size + 1, 1 << 32, UInt64(Int64.max), UInt64.max - 3, .max] {
      let request = GPUTransferToHost2D(
        header: GPUControlHeader(.transferToHost2D), rectangle: rectangle(0, 0, 32, 32), offset: offset,
        resourceID: 1)
      #expect(try client.send(request) == .errorInvalidParameter, "\(offset)")
    }
    // A blob has nothing to transfer.
    #expect(try client.transfer(3, rectangle(0, 0, 32, 32), stride: 128) == .okNoData)
    #expect(bench.device.transferredByteCount == 0)
  }

  @Test func backingThatCannotBe() throws {
    let buffer = try bench.ram.allocate(4096)
    #expect(try client.attach(1, [buffer]) == .errorUnspecified, "it has one")
    let end = UInt64(64 << 20)
    for (address, length) in [
      (end, 1), (end - 1, 2), (UInt64.max, 1), (UInt64.max - 4095, 8192), (1 << 63, 4096), (0, UInt32.max),
    ] as [(UInt64, UInt32)] {
      let request = GPUAttachBacking(header: GPUControlHeader(.attachBacking), resourceID: 2, entryCount: 2)
      let good = GPUMemoryEntry(address: buffer.guestAddress, length: 4096)
      let bad = GPUMemoryEntry(address: address, length: length)
      #expect(try client.send(request, entries: [good, bad]) == .errorUnspecified, "\(address) \(length)")
    }
    // More entries than bytes.
    for count: UInt32 in [2, 1000, 0x1000_0001, .max] {
      let request = GPUAttachBacking(header: GPUControlHeader(.attachBacking), resourceID: 2, entryCount: count)
      #expect(try client.send(request, entries: GPUClient.entries([buffer])) == .errorUnspecified)
      let blob = GPUResourceCreateBlob(
        header: GPUControlHeader(.resourceCreateBlob), resourceID: 20, memory: .guest, entryCount: count, size: 4096)
      #expect(try client.send(blob, entries: GPUClient.entries([buffer])) == .errorUnspecified)
    }
    #expect(try client.attach(2, [buffer]) == .okNoData)
  }

  @Test func blobsThatCannotBe() throws {
    let buffer = try bench.ram.allocate(4096)
    #expect(try client.createBlob(0, byteCount: 4096, [buffer]) == .errorInvalidResource)
    #expect(try client.createBlob(1, byteCount: 4096, [buffer]) == .errorInvalidResource)
    for size: UInt64 in [0, 4097, 1 << 32, 1 << 63, .max] {
      #expect(try client.createBlob(20, byteCount: size, [buffer]) == .errorInvalidParameter, "\(size)")
    }
    for memory: UInt32 in [0, 2, 3, 4, .max] {
      #expect(
        try client.createBlob(20, byteCount: 4096, [buffer], memory: GPUBlobMemory(rawValue: memory))
          == .errorInvalidParameter)
    }
    #expect(try client.createBlob(20, byteCount: 4096, [buffer]) == .okNoData)
  }

  @Test func framebuffersThatLeaveTheirBlob() throws {
    // Width, height, stride, offset; 32 * 32 * 4 bytes are there.
    let bad: [(UInt32, UInt32, UInt32, UInt32)] = [
      (32, 32, 127, 0), (32, 33, 128, 0), (33, 32, 132, 0), (32, 32, 128, 1), (32, 32, 129, 0), (32, 31, 128, 129),
      (32, 32, 128, .max), (1, .max, .max, 0), (.max, 1, .max, 0), (.max, .max, .max, .max), (0x4000_0000, 1, 0, 0),
      (1, 2, .max, 0), (32, 32, 0, 0),
    ]
    for (width, height, stride, offset) in bad {
      let answer = try client.setScanoutBlob(
        0, 3, width: width, height: height, stride: stride, offset: offset, part: rectangle(0, 0, 1, 1))
      #expect(answer == .errorInvalidParameter, "\(width) \(height) \(stride) \(offset)")
    }
    for format: UInt32 in [0, 5, .max] {
      #expect(
        try client.setScanoutBlob(0, 3, width: 32, height: 32, stride: 128, format: GPUFormat(rawValue: format))
          == .errorInvalidParameter)
    }
    #expect(try client.setScanoutBlob(0, 1, width: 32, height: 32, stride: 128) == .errorInvalidParameter, "no blob")
    #expect(try client.setScanoutBlob(0, 4, width: 32, height: 32, stride: 128) == .errorInvalidParameter, "no memory")
    #expect(try client.setScanout(0, 3, rectangle(0, 0, 32, 32)) == .errorInvalidParameter, "a blob")
    // The last byte that fits.
    #expect(try client.setScanoutBlob(0, 3, width: 32, height: 31, stride: 128, offset: 128) == .okNoData)
    #expect(try client.setScanoutBlob(0, 3, width: 32, height: 32, stride: 128) == .okNoData)
  }

  @Test func commandsOfARendererAndUnknownOnes() throws {
    for type: UInt32 in [0, 1, 0xff, 0x10e, 0x1ff, 0x20a, 0x2ff, 0x302, 0x1100, 0x1200, .max] + Array(0x200...0x209) {
      let bytes = [UInt8](wire: GPUControlHeader(GPUMessageType(rawValue: type))) + [UInt8](repeating: 1, count: 100)
      for onCursorQueue in [false, true] {
        let answer = try client.ask(bytes, onCursorQueue: onCursorQueue)
        #expect(try client.header(of: answer).type == .errorUnspecified, "\(type)")
      }
    }
    let info = GPUGetCapsetInfo(header: GPUControlHeader(.getCapsetInfo), capsetIndex: 0)
    #expect(try client.send(info) == .errorInvalidParameter)
    #expect(
      try client.send(GPUGetCapset(header: GPUControlHeader(.getCapset), capsetID: 1, capsetVersion: 1))
        == .errorInvalidParameter)
  }

  @Test func requestsThatEndTooEarly() throws {
    for type: UInt32 in Array(0x101...0x10d) + [0x300, 0x301] {
      let bytes = [UInt8](wire: GPUControlHeader(GPUMessageType(rawValue: type)))
      for count in [24, 28, 31] {
        let request = bytes + [UInt8](repeating: 0, count: count - 24)
        #expect(try client.header(of: try client.ask(request)).type == .errorInvalidParameter, "\(type) \(count)")
      }
      for count in [1, 8, 23] {
        let answer = try client.ask(Array(bytes.prefix(count)))
        #expect(try client.header(of: answer).type == .errorUnspecified, "\(type) \(count)")
      }
    }
  }

  @Test func answersThatDoNotFit() throws {
    let info = [UInt8](wire: GPUControlHeader(.getDisplayInfo))
    #expect(try client.ask(info, room: 0).isEmpty)
    #expect(try client.ask(info, room: 23).isEmpty)
    #expect(try client.header(of: try client.ask(info, room: 24)).type == .errorUnspecified)
    #expect(try client.header(of: try client.ask(info, room: 407)).type == .errorUnspecified)
    #expect(try client.ask(info, room: 408).count == 408)
  }
}
