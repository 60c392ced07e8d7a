// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The part of the command line that is about windows on the desktop of this machine.

internal import ArgumentParser
internal import Daemon
internal import Displays
internal import Graphics
internal import Input
internal import Linux

struct WindowOptions: ParsableArguments {
  @Option(
    name: [.customLong("wayland"), .customLong("wayland-sock")],
    help: ArgumentHelp(
      "Show each screen in a window of the Wayland compositor that listens at this socket file; a name without a slash "
        + "is looked for in $XDG_RUNTIME_DIR.", valueName: "path|name"))
  var wayland: [String] = []

  init() {}

  /// sockaddr_un.sun_path, less its NUL (unix(7)).
  private static let longestPath = 107

  /// Where the compositor listens; nil for no windows. Nothing needs to be there yet.
  func compositor() throws(HumanError) -> (path: String?, warnings: [String]) {
    var path: String?
    var warnings: [String] = []
    for text in wayland {
      var items = OptionList.items(text)[...]
      guard let place = items.popFirst()?.text else { throw .usage("--wayland needs the path or name of a socket") }
      var name = ""
      for item in items {
        guard item.key == "name", let value = item.value else {
          throw .usage("--wayland does not know '\(item.text)'; only name=NAME may follow the path")
        }
        name = value
      }
      if !name.isEmpty {
        // crosvm: named ones are for what guests say themselves.
        warnings.append("--wayland \(text) is left out: named sockets are for Wayland clients of guests")
      } else if path == nil {
        path = try WindowOptions.resolve(place)
      } else {
        throw .usage("--wayland may be given once, and not for '\(place)' too")
      }
    }
    return (path, warnings)
  }

  /// libwayland's rule (wl_display_connect(3)), but for names that are paths.
  private static func resolve(_ place: String) throws(HumanError) -> String {
    var path = place
    if !place.contains("/") {
      guard let directory = CurrentProcess.environment("XDG_RUNTIME_DIR"), directory.hasPrefix("/") else {
        throw .usage("--wayland '\(place)' is a name and $XDG_RUNTIME_DIR is not set; give the socket's path")
      }
      path = "\(directory)/\(place)"
    }
    guard path.utf8.count <= longestPath else {
      throw .usage("--wayland '\(path)' is longer than the kernel's \(longestPath) bytes; give a shorter path")
    }
    return path
  }

  /// What windows say above their picture: which virtual machine it is, as far as that shows here.
  static func title(_ listener: ListenerSource) -> String {
    guard case .path(let path) = listener, let last = path.split(separator: "/").last else { return "Martlet" }
    let name = last.hasSuffix(".sock") ? last.dropLast(5) : last
    return "\(name.unicodeScalars.prefix(100).map { String($0) }.joined()) - Martlet"
  }

  /// Starts showing windows, behind all walls.
  static func start(
    _ device: GraphicsDevice, _ scanouts: [Int], _ title: String, _ input: InputSink?, _ surroundings: Surroundings
  ) throws(HumanError) {
    guard let connector = surroundings.connectors.first else { return }
    let settings = WaylandSettings(
      title: title, scanouts: scanouts, input: input,
      connect: { () throws(Errno) in try connector.connect() }, report: { surroundings.warn($0) })
    do throws(Errno) {
      var display = try WaylandDisplay(device, settings)
      // Never joined: the process ends when its services have.
      _ = try Thread(name: "wayland") { display.run() }
    } catch {
      throw .failure("cannot show windows (\(error.message)); raise --rlimit-nofile")
    }
  }
}
