// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import GPUProtocol
import Testing
import Wire

/// Messages of QEMU's display socket, for which no header exists. Invariants: every struct has the size of the packed
/// struct in hw/display/vhost-user-gpu.c and its fields in that order; numbers are those of
/// docs/interop/vhost-user-gpu.rst.
@Suite struct DisplaySocketTests {
  static let structs: [Layout] = [
    layout(DisplayMessageHeader.self, "VhostUserGpuMsg", ["request": \.request, "flags": \.flags, "size": \.size]),
    layout(DisplayCursorPosition.self, "VhostUserGpuCursorPos", ["scanout_id": \.scanoutID, "x": \.x, "y": \.y]),
    layout(
      DisplayCursorUpdate.self, "VhostUserGpuCursorUpdate", ["pos": \.position, "hot_x": \.hotX, "hot_y": \.hotY]),
    layout(
      DisplayScanout.self, "VhostUserGpuScanout", ["scanout_id": \.scanoutID, "width": \.width, "height": \.height]),
    layout(
      DisplayUpdate.self, "VhostUserGpuUpdate",
      ["scanout_id": \.scanoutID, "x": \.x, "y": \.y, "width": \.width, "height": \.height]),
    layout(
      DisplayBufferScanout.self, "VhostUserGpuDMABUFScanout",
      [
        "scanout_id": \.scanoutID, "x": \.x, "y": \.y, "width": \.width, "height": \.height,
        "fd_width": \.bufferWidth, "fd_height": \.bufferHeight, "fd_stride": \.stride, "fd_flags": \.flags,
        "fd_drm_fourcc": \.fourCC,
      ]),
    layout(
      DisplayModifiedBufferScanout.self, "VhostUserGpuDMABUFScanout2",
      ["dmabuf_scanout": \.scanout, "modifier": \.modifier]),
    layout(DisplayEDIDRequest.self, "VhostUserGpuEdidRequest", ["scanout_id": \.scanoutID]),
  ]

  /// Sizes of the packed structs, fields one behind the other.
  private static let sizes = [
    "VhostUserGpuMsg": 12, "VhostUserGpuCursorPos": 12, "VhostUserGpuCursorUpdate": 20, "VhostUserGpuScanout": 12,
    "VhostUserGpuUpdate": 20, "VhostUserGpuDMABUFScanout": 40, "VhostUserGpuDMABUFScanout2": 48,
    "VhostUserGpuEdidRequest": 4,
  ]

  @Test(arguments: structs)
  func fieldsLieOneBehindTheOther(layout: Layout) throws {
    #expect(layout.size == Self.sizes[layout.cName])
    let offsets = layout.offsets.compactMap(\.offset)
    #expect(offsets == offsets.sorted() && Set(offsets).count == layout.propertyCount && offsets.first == 0)
    expectExplicitPadding(layout)
  }

  @Test func requestsHaveTheNumbersOfTheDocument() {
    let requests: [(DisplayRequest, UInt32)] = [
      (.getProtocolFeatures, 1), (.setProtocolFeatures, 2), (.getDisplayInfo, 3), (.cursorPosition, 4),
      (.cursorHide, 5), (.cursorUpdate, 6), (.scanout, 7), (.update, 8), (.bufferScanout, 9), (.bufferUpdate, 10),
      (.getEDID, 11), (.modifiedBufferScanout, 12),
    ]
    for (request, number) in requests { #expect(request.rawValue == number) }
    #expect(DisplayProtocolFeatures.edid.rawValue == 1 && DisplayProtocolFeatures.dmabuf2.rawValue == 2)
  }

  @Test func aScanoutAndAnUpdateAsQEMUReadsThem() {
    let scanout =
      encoded(DisplayMessageHeader(.scanout, size: 12))
      + encoded(DisplayScanout(scanoutID: 1, width: 1024, height: 768))
    #expect(scanout == hex("07000000 00000000 0c000000 01000000 00040000 00030000"))
    let update =
      encoded(DisplayMessageHeader(.update, size: 20 + 4))
      + encoded(DisplayUpdate(scanoutID: 0, x: 2, y: 3, width: 1, height: 1))
    #expect(update == hex("08000000 00000000 18000000 00000000 02000000 03000000 01000000 01000000"))
  }

  @Test func aReplyIsMarked() throws {
    let reply = try #require(decoded(DisplayMessageHeader.self, hex("01000000 04000000 08000000")))
    #expect(reply.isReply && reply.request == .getProtocolFeatures && reply.size == 8)
    #expect(!DisplayMessageHeader(.getDisplayInfo, size: 0).isReply)
  }
}
