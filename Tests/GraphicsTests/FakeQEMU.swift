// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The frontend's end of a display socket, as QEMU 11.1 behaves there (hw/display/vhost-user-gpu.c): a SCANOUT makes a
// surface that the next UPDATE shows, an UPDATE without a surface would crash it, answers come when its main loop has
// the time. It can be told to stop reading, or to answer nothing.

import Foundation
import Frontend
import GPUProtocol
import Linux
import Synchronization
import Testing
import Wire

final class FakeQEMU: Sendable {
  /// What came, without its pixels.
  enum Message: Equatable {
    case features(DisplayProtocolFeatures)
    case scanout(Int, width: Int, height: Int)
    case update(Int, GPURectangleValue)
    case cursor(Int, x: Int, y: Int)
    case hide(Int)
    case newCursor(Int, x: Int, y: Int, hotX: Int, hotY: Int)
    case question(DisplayRequest, scanout: Int?)
  }

  struct GPURectangleValue: Equatable {
    var (x, y, width, height) = (0, 0, 0, 0)
    init(_ x: Int, _ y: Int, _ width: Int, _ height: Int) {
      (self.x, self.y, self.width, self.height) = (x, y, width, height)
    }
  }

  struct State {
    var messages: [Message] = []
    /// What SCANOUT made, and what is on the console.
    var surfaces: [Int: Picture] = [:]
    var shown: [Int: Picture] = [:]
    var cursors: [Int: [UInt8]] = [:]
    /// What QEMU would have died of, or lost.
    var faults: [String] = []
    var answers = true
    var isReading = true
    /// It reads no more.
    var hasStopped = false
    /// Off for pictures that are too large for that.
    var looksAtPixels = true
    var features = DisplayProtocolFeatures([.edid, .dmabuf2])
    var info = FakeQEMU.info([(640, 480)])
    /// Ended by the backend.
    var isClosed = false
  }

  let state: Mutex<State>
  private let own: UnixSocket
  private let other: SharedDescriptor

  static func info(_ sizes: [(Int, Int)]) -> GPUDisplayInfo {
    var info = GPUDisplayInfo(header: GPUControlHeader(.okDisplayInfo))
    for (index, size) in sizes.enumerated() {
      info.modes[index] = GPUDisplayMode(
        rectangle: GPURectangle(x: UInt32(index * 10), y: 0, width: UInt32(size.0), height: UInt32(size.1)), enabled: 1)
    }
    return info
  }

  /// No valid EDID, but one that can be recognised.
  static func edid(of scanout: Int) -> GPUEDIDResponse {
    var response = GPUEDIDResponse(header: GPUControlHeader(.okEDID), size: 1024)
    for index in 0..<1024 { response.edid[index] = UInt8(truncatingIfNeeded: index &* 7 &+ scanout) }
    return response
  }

  init(_ state: State = State()) throws {
    self.state = Mutex(state)
    let pair = try UnixSocket.pair()
    own = UnixSocket(try pair.first.file.duplicate())
    other = SharedDescriptor(try pair.second.file.duplicate())
    let thread = try Linux.Thread(name: "fake-qemu") { self.run() }
    thread.letGo()
  }

  /// Hands the socket over, as QEMU does when the driver says DRIVER_OK.
  func attach(_ connection: FrontendConnection) throws {
    try connection.setDisplaySocket(other.file, needReply: true)
  }

  /// QEMU closes its end first when it stops the device.
  func close() { own.shutDown() }

  var messages: [Message] { state.withLock { $0.messages } }
  func forget() { state.withLock { $0.messages = [] } }
  func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }
  /// From now on messages wait in the socket.
  func stopReading() -> Bool {
    set { $0.isReading = false }
    return eventually { state.withLock { $0.hasStopped } }
  }
  func shown(_ scanout: Int) -> Picture? { state.withLock { $0.shown[scanout] } }
  func cursor(_ scanout: Int) -> [UInt8]? { state.withLock { $0.cursors[scanout] } }
  var isClosed: Bool { state.withLock { $0.isClosed } }
  var faults: [String] { state.withLock { $0.faults } }

  /// Something has come that it has not read.
  var hasInput: Bool { Poll.wait(for: [.input(own.file)], timeoutNanoseconds: 0)[0] }

  // MARK: Its main loop

  private func run() {
    do {
      while true {
        let isReading = state.withLock { state in
          state.hasStopped = !state.isReading
          return state.isReading
        }
        guard Poll.wait(for: isReading ? [.input(own.file)] : [], timeoutNanoseconds: 2_000_000).first == true else {
          continue
        }
        var none = ReceivedDescriptors()
        guard let head = try own.receive(12, descriptors: &none) else { break }
        let size = Int(try #require(head.load(UInt32.self, at: 8)))
        let payload = size > 0 ? try #require(try own.receive(size, descriptors: &none)) : []
        try handle(DisplayRequest(rawValue: try #require(head.load(UInt32.self))), payload)
      }
    } catch {}
    state.withLock { $0.isClosed = true }
  }

  private func handle(_ request: DisplayRequest, _ payload: [UInt8]) throws {
    func word(_ index: Int) -> Int { Int(Int32(bitPattern: payload.load(UInt32.self, at: 4 * index) ?? 0)) }
    let scanout = word(0)
    let answer: [UInt8]? = state.withLock { state in
      switch request {
      case .getProtocolFeatures, .getDisplayInfo, .getEDID:
        state.messages.append(.question(request, scanout: request == .getEDID ? scanout : nil))
        guard state.answers else { return nil }
        switch request {
        case .getProtocolFeatures: return [UInt8](wire: state.features)
        case .getDisplayInfo: return [UInt8](wire: state.info)
        default: return [UInt8](wire: FakeQEMU.edid(of: scanout))
        }
      case .setProtocolFeatures:
        state.messages.append(.features(DisplayProtocolFeatures(rawValue: UInt64(payload.load(UInt64.self) ?? 0))))
      case .cursorPosition: state.messages.append(.cursor(scanout, x: word(1), y: word(2)))
      case .cursorHide: state.messages.append(.hide(scanout))
      case .cursorUpdate:
        state.messages.append(.newCursor(scanout, x: word(1), y: word(2), hotX: word(3), hotY: word(4)))
        state.cursors[scanout] = Array(payload.dropFirst(20))
        if payload.count != 20 + 64 * 64 * 4 { state.faults.append("a cursor of \(payload.count) bytes") }
      case .scanout: makeSurface(&state, scanout, width: word(1), height: word(2))
      case .update: update(&state, scanout, payload)
      default: state.faults.append("unhandled message \(request.rawValue)")
      }
      return nil
    }
    guard let answer else { return }
    try own.send(
      [UInt8](wire: DisplayMessageHeader(request, flags: DisplayMessageHeader.replyFlag, size: answer.count)))
    try own.send(answer)
  }

  private func makeSurface(_ state: inout State, _ scanout: Int, width: Int, height: Int) {
    state.messages.append(.scanout(scanout, width: width, height: height))
    if width == 0 {
      state.shown[scanout] = nil
      state.surfaces[scanout] = nil
      return
    }
    if let old = state.surfaces[scanout], old != state.shown[scanout] { state.faults.append("a surface is lost") }
    state.surfaces[scanout] = Picture(width: width, height: height) { _, _ in 0xdead }
  }

  private func update(_ state: inout State, _ scanout: Int, _ payload: [UInt8]) {
    let values = (1..<5).map { Int(payload.load(UInt32.self, at: 4 * $0) ?? 0) }
    let part = GPURectangleValue(values[0], values[1], values[2], values[3])
    state.messages.append(.update(scanout, part))
    guard var surface = state.surfaces[scanout] else { return state.faults.append("an UPDATE without a surface") }
    guard payload.count == 20 + part.width * part.height * 4, part.x + part.width <= surface.width,
      part.y + part.height <= surface.height
    else { return state.faults.append("an UPDATE that does not fit: \(part), \(payload.count) bytes") }
    for row in 0..<(state.looksAtPixels ? part.height : 0) {
      for column in 0..<part.width {
        let pixel = payload.load(UInt32.self, at: 20 + 4 * (row * part.width + column)) ?? 0
        surface[part.x + column, part.y + row] = pixel & 0xff_ffff
      }
    }
    state.surfaces[scanout] = surface
    state.shown[scanout] = surface
  }
}
