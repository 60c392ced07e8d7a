// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import GPUProtocol
import Testing
import Wire

/// Room GPUProtocol says what <linux/virtio_gpu.h> says.
///
/// - Every struct has the size and every field the offset of the C struct, without implicit padding.
/// - Every constant has the header's value.
/// - What is newer than the header (the alignment of blobs, Linux 7.2) is held against golden bytes.
/// - The oracle and the tables of this suite name the same things, so nothing is left out on either side.
@Suite struct GPUHeaderTests {
  /// In some headers and not in others.
  static let newer: Set = ["virtio_gpu_config.blob_alignment"]

  @Test(arguments: GPULayouts.all)
  func structLiesInMemoryAsTheKernelSays(layout: Layout) throws {
    let size = try #require(Oracle.values["sizeof \(layout.cName)"], "the oracle lacks \(layout.cName)")
    let isNewer = Self.newer.contains { $0.hasPrefix(layout.cName + ".") }
    if !isNewer { #expect(layout.size == size) }
    for (name, offset) in layout.offsets {
      let field = "\(layout.cName).\(name)"
      if Self.newer.contains(field) { continue }
      #expect(Oracle.values[field] == offset.map(UInt64.init), "\(field)")
    }
    expectExplicitPadding(layout)
  }

  @Test func oracleAndLayoutsNameTheSameThings() {
    var ours = Set(GPULayouts.constants.map(\.name))
    for layout in GPULayouts.all {
      ours.insert("sizeof \(layout.cName)")
      for field in layout.offsets { ours.insert("\(layout.cName).\(field.name)") }
    }
    let theirs = Set(Oracle.values.keys.filter { $0.lowercased().contains("virtio_gpu") })
    #expect(theirs.symmetricDifference(ours) == Self.newer)
    #expect(ours.count > 200)
  }

  @Test func constantsHaveTheValuesOfTheHeader() {
    for constant in GPULayouts.constants {
      #expect(Oracle.values[constant.name] == UInt64(constant.ours), "\(constant.name)")
    }
    #expect(GPUFeatureBit.blobAlignment == 5)
  }

  @Test func configurationOfLinux72() throws {
    let golden = hex("01000000 00000000 02000000 03000000 00100000")
    let parsed = try #require(decoded(GPUConfiguration.self, golden))
    #expect(parsed.eventsRead == .display && parsed.scanoutCount == 2 && parsed.capsetCount == 3)
    #expect(parsed.blobAlignment == 4096)
    #expect(encoded(parsed) == golden)
  }

  @Test func aFencedTransferAsLinuxSendsIt() throws {
    let golden = hex(
      """
      05010000 01000000 2a00000000000000 00000000 00 000000
      10000000 20000000 08000000 10000000 0082020000000000 07000000 00000000
      """)
    let request = GPUTransferToHost2D(
      header: GPUControlHeader(.transferToHost2D, flags: .fence, fenceID: 42),
      rectangle: GPURectangle(x: 16, y: 32, width: 8, height: 16), offset: 0x28200, resourceID: 7)
    #expect(encoded(request) == golden)
    #expect(golden.count == 56)
  }

  @Test func aScanoutOfABlobAsLinuxSendsIt() throws {
    var golden = hex(
      """
      0d010000 00000000 0000000000000000 00000000 00 000000
      00000000 00000000 00040000 00030000 01000000 09000000 00040000 00030000 02000000 00000000 00100000
      """)
    golden += [UInt8](repeating: 0, count: 28)
    var request = GPUSetScanoutBlob(
      header: GPUControlHeader(.setScanoutBlob), rectangle: GPURectangle(x: 0, y: 0, width: 1024, height: 768),
      scanoutID: 1, resourceID: 9, width: 1024, height: 768, format: .b8g8r8x8)
    request.strides[0] = 4096
    #expect(encoded(request) == golden)
    #expect(golden.count == 96)
  }
}
