// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the screens say about themselves.

internal import GPUProtocol
internal import Wire

extension Core {
  func getDisplayInfo() -> GPUMessageType {
    isShownByFrontend ? ask(.displayInfo) : displayInfo()
  }

  /// Always 16 of them; those that this device does not have are off. They stand side by side.
  /// - Parameter reply: the frontend's, which counts more.
  func displayInfo(as reply: GPUDisplayInfo? = nil) -> GPUMessageType {
    var info = GPUDisplayInfo(header: responseHeader(.okDisplayInfo))
    if let reply {
      info.modes = reply.modes
      return respond(.okDisplayInfo, info)
    }
    var left = 0
    for (index, scanout) in scanouts.prefix(options.scanoutCount).enumerated() {
      let place = GPURectangle(
        x: UInt32(left), y: 0, width: UInt32(scanout.width), height: UInt32(scanout.height))
      info.modes[index] = GPUDisplayMode(rectangle: place, enabled: 1)
      left += scanout.width
    }
    return respond(.okDisplayInfo, info)
  }

  func getEDID(_ request: GPUGetEDID) -> GPUMessageType {
    guard options.edid else { return .errorUnspecified }
    guard scanouts.indices.contains(Int(request.scanoutID)) else { return .errorInvalidScanout }
    return isShownByFrontend ? ask(.edid(scanout: Int(request.scanoutID))) : edid(of: Int(request.scanoutID))
  }

  /// - Parameter reply: the frontend's, which counts more unless it is empty.
  func edid(of index: Int, as reply: GPUEDIDResponse? = nil) -> GPUMessageType {
    if let reply, (1...UInt32(reply.edid.count)).contains(reply.size) {
      var response = GPUEDIDResponse(header: responseHeader(.okEDID), size: reply.size)
      response.edid = reply.edid
      return respond(.okEDID, response)
    }
    guard scanouts.indices.contains(index) else { return .errorInvalidScanout }
    let mode = scanouts[index].mode
    let bytes = EDID.bytes(width: mode.width, height: mode.height, serial: UInt32(index + 1))
    var response = GPUEDIDResponse(header: responseHeader(.okEDID), size: UInt32(bytes.count))
    for (index, byte) in bytes.enumerated() { response.edid[index] = byte }
    return respond(.okEDID, response)
  }

  var configuration: GPUConfiguration {
    var configuration = GPUConfiguration()
    configuration.eventsRead = events
    configuration.scanoutCount = UInt32(options.scanoutCount)
    return configuration
  }

  /// Takes over how large the frontend says its screens are.
  func adoptSizes(_ info: GPUDisplayInfo) {
    for index in scanouts.indices {
      let mode = info.modes[index]
      scanouts[index].frontendMode = mode.enabled != 0 ? Rectangle(mode.rectangle) : nil
    }
  }

  /// How a wish for another size went.
  enum Resizing {
    case refused
    /// It has that size.
    case unchanged
    case changed
  }

  /// Another size that the screen wishes for; the guest hears of it by an event. Not where the frontend shows the
  /// screens: it keeps the events too.
  func resize(_ index: Int, width: Int, height: Int) -> Resizing {
    guard !isShownByFrontend, scanouts.indices.contains(index), GraphicsOptions.sizes.contains(width),
      GraphicsOptions.sizes.contains(height)
    else { return .refused }
    if scanouts[index].width == width, scanouts[index].height == height { return .unchanged }
    scanouts[index].width = width
    scanouts[index].height = height
    events.insert(.display)
    return .changed
  }
}
