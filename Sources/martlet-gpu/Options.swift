// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The command line. This file declares and checks; nothing of the host is looked at.

internal import ArgumentParser
internal import Daemon
internal import Displays
internal import Graphics
internal import Input
internal import Linux

/// A size as people write it: 1920x1080.
struct ScreenSize: ExpressibleByArgument, Equatable {
  var width: Int
  var height: Int

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  init?(argument: String) {
    let parts = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false)
    guard parts.count == 2, let width = Int(parts[0]), let height = Int(parts[1]) else { return nil }
    self.init(width: width, height: height)
  }
}

/// A number of bytes with an optional unit: 268435456, 256M, 1G.
struct ByteCount: ExpressibleByArgument, Equatable {
  var bytes: Int

  init(bytes: Int) {
    self.bytes = bytes
  }

  init?(argument: String) {
    var digits = argument.uppercased()[...]
    for suffix in ["IB", "B"] where digits.hasSuffix(suffix) { digits = digits.dropLast(suffix.count) }
    let shifts: [Character: Int] = ["K": 10, "M": 20, "G": 30]
    var shift = 0
    if let unit = digits.last, let known = shifts[unit] {
      shift = known
      digits = digits.dropLast()
    }
    guard let number = Int(digits), number >= 0, number <= Int.max >> shift else { return nil }
    bytes = number << shift
  }
}

enum OnOff: String, ExpressibleByArgument, CaseIterable {
  case on
  case off
}

struct Options: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet-gpu",
    abstract: "Gives virtual machines screens (virtio-gpu over vhost-user).",
    usage: "martlet-gpu --socket-path <path> [options]",
    discussion: """
      Two-dimensional graphics, guest blobs, cursors and up to 16 screens, for QEMU's vhost-user-gpu, which shows them \
      itself, and for any frontend that attaches a plain vhost-user device. SIGTERM and SIGINT end it, SIGUSR1 writes \
      counters to the log.
      """,
    version: "\(program.name) \(program.version)")

  @OptionGroup(title: "Daemon") var common: CommonOptions

  @OptionGroup(title: "Displays") var viewers: ViewerOptions

  @OptionGroup(title: "Windows") var windows: WindowOptions

  @Option(
    name: [.customLong("scanouts"), .customLong("max-outputs")],
    help: ArgumentHelp("Number of screens, 1 to 16.", valueName: "count"))
  var scanouts = 1

  @Option(help: ArgumentHelp("Size of each screen in pixels.", valueName: "WxH"))
  var size = ScreenSize(width: 1280, height: 800)

  @Option(help: ArgumentHelp("Identify each screen to the guest by an EDID: on or off.", valueName: "on|off"))
  var edid = OnOff.on

  @Option(
    name: .customLong("memory-limit"),
    help: ArgumentHelp(
      "Most memory of the host for what the guest draws into; K, M and G may follow. Default: 512M.",
      valueName: "bytes"))
  var memoryLimit = ByteCount(bytes: GraphicsOptions.defaultMemoryLimit)

  @Option(
    help: ArgumentHelp(
      "Screens as crosvm's 'device gpu' is told of them: a JSON object with \"displays\".", valueName: "json"))
  var params: String?

  func graphicsOptions(_ displays: [CrosvmParameters.Display] = []) throws(HumanError) -> GraphicsOptions {
    var options = GraphicsOptions()
    guard GraphicsOptions.scanoutCounts.contains(scanouts) else {
      throw .usage("--scanouts needs a number from 1 to 16, not \(scanouts)")
    }
    let sizes = GraphicsOptions.sizes
    guard sizes.contains(size.width), sizes.contains(size.height) else {
      throw .usage(
        "--size needs a width and a height from \(sizes.lowerBound) to \(sizes.upperBound), "
          + "not \(size.width)x\(size.height)")
    }
    guard (1 << 20...1 << 44).contains(memoryLimit.bytes) else {
      throw .usage("--memory-limit needs 1M to 16384G, not \(memoryLimit.bytes) bytes")
    }
    options.scanoutCount = displays.isEmpty ? scanouts : displays.count
    options.firstSizes = displays.map { ($0.size?.width ?? size.width, $0.size?.height ?? size.height) }
    options.width = size.width
    options.height = size.height
    options.edid = edid == .on
    options.memoryLimit = memoryLimit.bytes
    return options
  }

  func parameters() throws(HumanError) -> CrosvmParameters? {
    try params.map { text throws(HumanError) in try CrosvmParameters(text) }
  }

  /// Everything that the command line says, checked.
  func plan() throws(HumanError) -> DaemonPlan {
    let parameters = try parameters()
    let options = try graphicsOptions(parameters?.displays ?? [])
    let listener = common.listener()
    try listener.check()
    let places = try viewers.places(screens: options.scanoutCount)
    let password = try common.dryRun ? nil : viewers.password()
    let (compositor, warnings) = try windows.compositor()
    // Those that are not hidden.
    let shown = (0..<options.scanoutCount).filter { parameters?.displays.dropFirst($0).first?.isHidden != true }
    let input = viewers.inputSocket == nil ? nil : SharedInput()
    var service = Service(
      name: "gpu", listener: listener, source: nil, furtherListeners: places.map { $0.source }
    ) { surroundings throws(HumanError) in
      let device = GraphicsDevice(options)
      var settings = VNCSettings(name: "Martlet", password: password)
      if let keyboard = try input?.get() { settings.input = { keyboard.post($0) } }
      let viewerSettings = settings
      return ServedDevice(
        device, verbs: ScreenVerbs.all(device),
        readOperations: {
          device.commandCounts.map { OperationReading(name: $0.name, count: $0.count, errors: $0.failures) }
        },
        readAmounts: {
          [
            AmountReading(name: "bytes_transferred", count: device.transferredByteCount),
            AmountReading(name: "bytes_shown", count: device.shownByteCount),
          ]
        },
        start: { () throws(HumanError) in
          try ViewerOptions.start(device, places, viewerSettings, surroundings)
          try WindowOptions.start(device, shown, WindowOptions.title(listener), viewerSettings.input, surroundings)
        })
    }
    if let compositor, !shown.isEmpty { service.reaches = [compositor] }
    // QEMU's conventions: a backend program serves one frontend and ends.
    let companions = input.map { [$0.service(viewers.inputSocket ?? "")] } ?? []
    var plan = DaemonPlan(
      program: Options.program, services: [service] + companions, common: common, onDisconnect: .exit)
    plan.warnings += warnings + (parameters?.warnings ?? [])
    return plan
  }
}
