// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The frontend's end of a display socket while its guest attacks: it answers what it is asked and holds every message
// against what QEMU takes for granted (hw/display/vhost-user-gpu.c), as the guest must not be able to make it crash.

import Frontend
import GPUProtocol
import Linux
import Synchronization
import Wire

final class DisplayReader: Sendable {
  private let own: UnixSocket
  /// What QEMU would have died of.
  private let found = Mutex<[String]>([])
  private let counted = Atomic<Int>(0)

  var faults: [String] { found.withLock { $0 } }
  var messageCount: Int { counted.load(ordering: .relaxed) }

  /// Hands the other end over.
  init(_ connection: FrontendConnection) throws {
    let pair = try UnixSocket.pair()
    own = UnixSocket(try pair.first.file.duplicate())
    try connection.setDisplaySocket(pair.second.file, needReply: true)
    let thread = try Thread(name: "reader") { self.run() }
    thread.letGo()
  }

  func close() { own.shutDown() }

  private func run() {
    var sizes: [Int: (width: Int, height: Int)] = [:]
    do {
      while true {
        var none = ReceivedDescriptors()
        guard let head = try own.receive(12, descriptors: &none),
          let header = head.load(DisplayMessageHeader.self)
        else { return }
        let payload = header.size > 0 ? try own.receive(Int(header.size), descriptors: &none) ?? [] : []
        counted.add(1, ordering: .relaxed)
        check(header.request, payload, &sizes)
        try answer(header.request)
      }
    } catch {}
  }

  private func check(_ request: DisplayRequest, _ payload: [UInt8], _ sizes: inout [Int: (width: Int, height: Int)]) {
    func fault(_ text: String) { found.withLock { $0.append(text) } }
    switch request {
    case .scanout:
      guard let scanout = payload.load(DisplayScanout.self) else { return fault("a short SCANOUT") }
      sizes[Int(scanout.scanoutID)] =
        scanout.width == 0 ? nil : (width: Int(scanout.width), height: Int(scanout.height))
    case .update:
      guard let update = payload.load(DisplayUpdate.self) else { return fault("a short UPDATE") }
      guard let size = sizes[Int(update.scanoutID)] else { return fault("an UPDATE before its SCANOUT") }
      let (width, height) = (Int(update.width), Int(update.height))
      guard width > 0, height > 0, Int(update.x) + width <= size.width, Int(update.y) + height <= size.height,
        payload.count == DisplayUpdate.byteCount + width * height * 4
      else { return fault("\(update) of \(size), \(payload.count) bytes") }
    case .cursorUpdate where payload.count != DisplayCursorUpdate.byteCount + 64 * 64 * 4:
      fault("a cursor of \(payload.count) bytes")
    default: break
    }
  }

  private func answer(_ request: DisplayRequest) throws {
    let payload: [UInt8]
    switch request {
    case .getProtocolFeatures: payload = [UInt8](wire: DisplayProtocolFeatures.edid)
    case .getDisplayInfo: payload = [UInt8](wire: GPUDisplayInfo())
    case .getEDID: payload = [UInt8](wire: GPUEDIDResponse())
    default: return
    }
    let header = DisplayMessageHeader(request, flags: DisplayMessageHeader.replyFlag, size: payload.count)
    try own.send([UInt8](wire: header) + payload)
  }
}
