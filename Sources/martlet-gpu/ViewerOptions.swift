// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The part of the command line that is about people: where viewers connect, and where what they type goes.

internal import ArgumentParser
internal import Daemon
internal import Displays
internal import Graphics
internal import Input
internal import Linux
internal import Synchronization

/// One place for viewers, as people write it: unix:PATH or ADDRESS:PORT, and ",screen=N" for another than the first.
struct ViewerPlace: Equatable {
  var source: ListenerSource
  var screen = 0
  /// Only this machine gets there.
  var isLocal = true

  init(_ text: String, screens: Int) throws(HumanError) {
    var items = OptionList.items(text)[...]
    guard let place = items.popFirst()?.text else { throw .usage("--vnc needs unix:PATH or ADDRESS:PORT") }
    if place.hasPrefix("unix:") {
      let path = String(place.dropFirst(5))
      if path.isEmpty { throw .usage("--vnc unix: needs a path behind it") }
      source = .path(path)
    } else {
      (source, isLocal) = try ViewerPlace.internet(place)
    }
    for item in items {
      guard item.key == "screen", let number = Int(item.value ?? "") else {
        throw .usage("--vnc does not know '\(item.text)'; only screen=N may follow the address")
      }
      guard (0..<screens).contains(number) else {
        throw .usage("--vnc cannot show screen \(number); they are 0 to \(screens - 1), see --scanouts")
      }
      screen = number
    }
  }

  private static func internet(_ place: String) throws(HumanError) -> (ListenerSource, isLocal: Bool) {
    guard let colon = place.lastIndex(of: ":"), let port = UInt16(place[place.index(after: colon)...]), port > 0 else {
      throw .usage("--vnc needs unix:PATH or ADDRESS:PORT with a port from 1 to 65535, not '\(place)'")
    }
    var address = String(place[..<colon])
    if address.hasPrefix("["), address.hasSuffix("]") { address = String(address.dropFirst().dropLast()) }
    if address == "localhost" || address.isEmpty { address = "127.0.0.1" }
    return (.internet(address: address, port: port), address.hasPrefix("127.") || address == "::1")
  }
}

struct ViewerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Show a screen to VNC viewers: unix:PATH or ADDRESS:PORT, with ,screen=N behind it for another than the first. "
        + "May be repeated.", valueName: "place"))
  var vnc: [String] = []

  @Option(
    name: .customLong("vnc-password-file"),
    help: ArgumentHelp(
      "Ask viewers for the password in the first line of this file; 8 bytes at most.", valueName: "path"))
  var passwordFile: String?

  @Flag(
    name: .customLong("vnc-from-anywhere"),
    help: "Allow addresses for --vnc that other machines reach. VNC hides nothing from who listens on the way.")
  var fromAnywhere = false

  @Option(
    name: .customLong("input-socket"),
    help: ArgumentHelp(
      "Serve a keyboard and tablet (vhost-user-input) on this socket file: what viewers type and point at.",
      valueName: "path"))
  var inputSocket: String?

  init() {}

  func places(screens: Int) throws(HumanError) -> [ViewerPlace] {
    var places: [ViewerPlace] = []
    for text in vnc {
      let place = try ViewerPlace(text, screens: screens)
      guard place.isLocal || fromAnywhere else {
        throw .usage(
          "--vnc \(text) can be reached from other machines; use 127.0.0.1 or unix:, or add --vnc-from-anywhere")
      }
      places.append(place)
    }
    guard places.count <= VNCServer.mostListeners else {
      throw .usage("--vnc may be given \(VNCServer.mostListeners) times, not \(places.count)")
    }
    if passwordFile != nil, places.isEmpty { throw .usage("--vnc-password-file needs a --vnc to protect") }
    return places
  }

  /// Read before the sandbox closes.
  func password() throws(HumanError) -> [UInt8]? {
    guard let passwordFile else { return nil }
    let text: String
    do {
      text = try Path(passwordFile).contents()
    } catch {
      throw .failure("cannot read the password in '\(passwordFile)' (\(error.message)); check --vnc-password-file")
    }
    // By bytes: a carriage return and a line feed are one character.
    var password = Array(text.utf8.prefix { $0 != UInt8(ascii: "\n") })
    if password.last == UInt8(ascii: "\r") { password.removeLast() }
    guard (1...8).contains(password.count) else {
      throw .failure(
        "the first line of '\(passwordFile)' has \(password.count) bytes; VNC's passwords have 1 to 8")
    }
    return password
  }

  /// Starts serving viewers, behind all walls.
  static func start(
    _ device: GraphicsDevice, _ places: [ViewerPlace], _ settings: VNCSettings, _ surroundings: Surroundings
  ) throws(HumanError) {
    if places.isEmpty { return }
    let listeners = zip(surroundings.furtherListeners, places).map { VNCListener($0, scanout: $1.screen) }
    do throws(Errno) {
      var server = try VNCServer(device, listeners, settings)
      // Never joined: the process ends when its services have.
      _ = try Thread(name: "vnc") { server.run() }
    } catch {
      throw .failure("cannot serve VNC viewers (\(error.message)); raise --rlimit-nofile")
    }
  }
}

/// The keyboard and tablet that all displays share. Made when the first service asks, which is inside the sandbox:
/// descriptors that are made before would be taken for strays.
final class SharedInput: Sendable {
  private let device = Mutex<InputDevice?>(nil)

  func get() throws(HumanError) -> InputDevice {
    do throws(Errno) {
      return try device.withLock { device throws(Errno) in
        if let device { return device }
        let made = try InputDevice(.keyboardAndTablet)
        device = made
        return made
      }
    } catch {
      throw .failure("cannot make an input device (\(error.message)); raise --rlimit-nofile")
    }
  }

  /// Serves it on a socket of its own.
  func service(_ path: String) -> Service {
    var service = Service(name: "input", listener: .path(path), source: nil) { _ throws(HumanError) in
      let device = try self.get()
      return ServedDevice(device) {
        let counts = device.counts
        return [OperationReading(name: "event", count: counts.written + counts.dropped, errors: counts.dropped)]
      }
    }
    service.isCompanion = true
    return service
  }
}
