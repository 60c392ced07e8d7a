// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The command line. This file declares and checks, and opens the host's device, which must be done before the sandbox
// closes.

internal import ArgumentParser
internal import Daemon
internal import Input
internal import Linux

struct Options: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet-input",
    abstract: "Gives a virtual machine a keyboard, mouse or tablet of this host (virtio-input over vhost-user).",
    usage: "martlet-input --socket-path <path> --evdev-path </dev/input/eventN> [options]",
    discussion: """
      For what people type and point at in a display of martlet-gpu, give that program --input-socket instead. SIGTERM \
      and SIGINT end it, SIGUSR1 writes counters to the log.
      """,
    version: "\(Options.program.name) \(Options.program.version)")

  @OptionGroup(title: "Daemon") var common: CommonOptions

  @Option(
    name: [.customLong("evdev-path"), .customLong("evdev")],
    help: ArgumentHelp(
      "The device of this host, as /dev/input/eventN or a name in /dev/input/by-id.", valueName: "path"))
  var evdevPath: String?

  @Flag(name: .customLong("no-grab"), help: "Let this host hear of the device's events too.")
  var noGrab = false

  /// Everything that the command line says, checked.
  func plan() throws(HumanError) -> DaemonPlan {
    guard let evdevPath else {
      throw .usage("no device to hand on; give --evdev-path with a file of /dev/input")
    }
    let listener = common.listener()
    try listener.check()
    let file = common.dryRun ? nil : SharedDescriptor(try open(evdevPath))
    let grabs = !noGrab
    let service = Service(name: "input", listener: listener, source: nil) { surroundings throws(HumanError) in
      guard let file else { preconditionFailure("a dry run serves nothing") }
      return try Options.serve(file, evdevPath, grabs: grabs, surroundings)
    }
    // QEMU's conventions: a backend program serves one frontend and ends.
    var plan = DaemonPlan(program: Options.program, services: [service], common: common, onDisconnect: .exit)
    if let file { plan.openFiles = [file] }
    // Which keys are down, when events were lost.
    plan.systemCalls = ["ioctl"]
    return plan
  }

  private func open(_ path: String) throws(HumanError) -> FileDescriptor {
    do {
      return try Path(path).open(flags: OpenFlags.readWrite)
    } catch .noEntry {
      throw .failure("there is no device '\(path)'; 'ls /dev/input/by-id' shows what there is")
    } catch .accessDenied {
      throw .failure("no permission to use '\(path)'; start it as root or as a member of the group 'input'")
    } catch {
      throw .failure("cannot open '\(path)' (\(error.message)); give a device of /dev/input")
    }
  }

  /// Inside the sandbox.
  private static func serve(
    _ file: SharedDescriptor, _ path: String, grabs: Bool, _ surroundings: Surroundings
  ) throws(HumanError) -> ServedDevice {
    let source: HostDevice
    do { source = try HostDevice(file) } catch { throw refusal(path, error) }
    guard let identity = source.identity() else {
      throw .failure("'\(path)' is no input device; give one of /dev/input")
    }
    do throws(Errno) {
      if grabs { try source.grab() }
      let device = try InputDevice(identity) { source.write($0) }
      return ServedDevice(
        device, readOperations: { readings(device) },
        start: { () throws(HumanError) in try listen(source, path, device, surroundings) })
    } catch {
      throw refusal(path, error)
    }
  }

  /// Behind all walls.
  private static func listen(
    _ source: HostDevice, _ path: String, _ device: InputDevice, _ surroundings: Surroundings
  ) throws(HumanError) {
    do throws(Errno) {
      // Never joined: the process ends when the frontend has left.
      _ = try Thread(name: "evdev") {
        source.run { device.post($0) }
        surroundings.warn("the device '\(path)' is gone; the guest hears no more of it")
      }
    } catch {
      throw .failure("cannot start a thread (\(error.message)); raise the limit of tasks (TasksMax= in systemd)")
    }
  }

  private static func refusal(_ path: String, _ error: Errno) -> HumanError {
    .failure("cannot take over '\(path)' (\(error.message)); another program may have grabbed it")
  }

  private static func readings(_ device: InputDevice) -> [OperationReading] {
    let counts = device.counts
    return [OperationReading(name: "event", count: counts.written + counts.dropped, errors: counts.dropped)]
  }
}
