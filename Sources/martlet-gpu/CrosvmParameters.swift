// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// `--params JSON` as `crosvm device gpu` takes it (GpuParameters in devices/src/virtio/gpu/parameters.rs,
// DisplayParameters in vm_control/src/gpu.rs): how many screens, how large, and with a window or without. What concerns
// renderers, caches and crosvm's own devices is known and has no effect; what nobody knows is a warning, where crosvm
// would not start.

internal import Daemon
internal import Graphics

struct CrosvmParameters: Equatable {
  struct Display: Equatable {
    var size: ScreenSize?
    var isHidden = false
  }

  /// Empty where nothing is said of them.
  private(set) var displays: [Display] = []
  private(set) var warnings: [String] = []

  /// Of `width` and `height`, which older versions have beside `displays`.
  private var width: Int?
  private var height: Int?

  private static let withoutEffect: Set<String> = [
    "angle", "audio-device-mode", "backend", "cache-path", "cache-size", "context-types", "egl", "external-blob",
    "fixed-blob-mapping", "gles", "gles31", "glx", "implicit-render-server", "max-num-displays", "pci-address",
    "pci-bar-size", "renderer-features", "snapshot-scratch-path", "surfaceless", "system-blob", "udmabuf", "vulkan",
    "wsi",
  ]
  private static let withoutEffectOnDisplays: Set<String> = ["dpi", "horizontal-dpi", "refresh-rate", "vertical-dpi"]

  init(_ text: String) throws(HumanError) {
    guard case .object(let members) = JSON(parsing: text) else {
      throw .usage("--params needs a JSON object, such as {\"displays\":[{\"mode\":{\"windowed\":[1280,800]}}]}")
    }
    for member in members {
      switch member.name {
      case "displays": try takeDisplays(member.value)
      case "width": width = try CrosvmParameters.pixels(member.value, "width")
      case "height": height = try CrosvmParameters.pixels(member.value, "height")
      case let name where CrosvmParameters.withoutEffect.contains(name): break
      default: warn(of: member.name)
      }
    }
    if width != nil || height != nil {
      guard let width, let height, displays.isEmpty else {
        throw .usage("--params: 'width' and 'height' belong together and replace 'displays'; give the one or the other")
      }
      displays = [Display(size: ScreenSize(width: width, height: height))]
    }
    if let types = members.first(where: { $0.name == "context-types" })?.value.string, !types.isEmpty {
      warnings.append("--params: the context types \(types) are not there yet; the guest gets two-dimensional graphics")
    }
  }

  private mutating func warn(of name: String) {
    warnings.append("--params: '\(name)' is not known and left out")
  }

  private mutating func takeDisplays(_ value: JSON) throws(HumanError) {
    guard case .array(let list) = value else { throw .usage("--params: 'displays' needs a list of objects") }
    // Of several lists too.
    let count = displays.count + list.count
    guard count <= GraphicsOptions.scanoutCounts.upperBound else {
      throw .usage("--params: there can be \(GraphicsOptions.scanoutCounts.upperBound) displays, not \(count)")
    }
    for element in list {
      guard case .object(let members) = element else { throw .usage("--params: 'displays' needs a list of objects") }
      var display = Display()
      for member in members {
        switch member.name {
        case "mode": display.size = try size(member.value)
        case "hidden":
          guard case .bool(let isHidden) = member.value else {
            throw .usage("--params: 'hidden' is true or false")
          }
          display.isHidden = isHidden
        case let name where CrosvmParameters.withoutEffectOnDisplays.contains(name): break
        default: warn(of: member.name)
        }
      }
      displays.append(display)
    }
  }

  private mutating func size(_ mode: JSON) throws(HumanError) -> ScreenSize? {
    guard let windowed = mode["windowed"] else {
      warn(of: mode.string ?? mode.members.first?.name ?? "mode")
      return nil
    }
    guard windowed.elements.count == 2 else {
      throw .usage("--params: 'windowed' needs a width and a height, such as [1280,800]")
    }
    return ScreenSize(
      width: try CrosvmParameters.pixels(windowed.elements[0], "windowed"),
      height: try CrosvmParameters.pixels(windowed.elements[1], "windowed"))
  }

  private static func pixels(_ value: JSON, _ name: String) throws(HumanError) -> Int {
    let sizes = GraphicsOptions.sizes
    guard let number = value.number, sizes.contains(Int(number)) else {
      throw .usage("--params: '\(name)' needs numbers of pixels from \(sizes.lowerBound) to \(sizes.upperBound)")
    }
    return Int(number)
  }
}
