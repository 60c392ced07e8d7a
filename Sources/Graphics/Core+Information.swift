// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the screens say about themselves.

internal import GPUProtocol
internal import Wire

extension Core {
  /// Always 16 of them; those that this device does not have are off. They stand side by side.
  func getDisplayInfo() -> GPUMessageType {
    var info = GPUDisplayInfo(header: responseHeader(.okDisplayInfo))
    var left = 0
    for (index, scanout) in scanouts.enumerated() {
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
    let scanout = scanouts[Int(request.scanoutID)]
    let bytes = EDID.bytes(width: scanout.width, height: scanout.height, serial: request.scanoutID + 1)
    var response = GPUEDIDResponse(header: responseHeader(.okEDID), size: UInt32(bytes.count))
    for (index, byte) in bytes.enumerated() { response.edid[index] = byte }
    return respond(.okEDID, response)
  }

  var configuration: GPUConfiguration {
    var configuration = GPUConfiguration()
    configuration.eventsRead = events
    configuration.scanoutCount = UInt32(scanouts.count)
    return configuration
  }

  /// Another size that the screen wishes for; the guest hears of it by an event.
  func resize(_ index: Int, width: Int, height: Int) -> Bool {
    guard scanouts.indices.contains(index), GraphicsOptions.sizes.contains(width),
      GraphicsOptions.sizes.contains(height)
    else { return false }
    scanouts[index].width = width
    scanouts[index].height = height
    events.insert(.display)
    return true
  }
}
