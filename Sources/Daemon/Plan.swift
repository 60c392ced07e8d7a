// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a program hands to this room: everything that was decided from its options, as values. Nothing has been done
// yet when a plan exists, and nothing of the command line is looked at afterwards.

public import Linux
public import Virtio
public import VhostUser

/// A device, what is told about it on SIGUSR1 and on the control socket, and what it can be asked there beside that.
public struct ServedDevice: Sendable {
  public let device: any Device
  /// One reading per kind of operation and queue. From any thread, at any time.
  public let readOperations: @Sendable () -> [OperationReading]
  /// What the device counts beside operations, in the order of the report. From any thread, at any time.
  public let readAmounts: @Sendable () -> [AmountReading]
  /// What SIGHUP asks for (see `DaemonPlan.reloadsOnHangUp`).
  public let reload: @Sendable () -> Void
  public let verbs: [ControlVerb]
  /// Starts the threads that the device has beside its queues'. Called once, when the filter is loaded and capabilities
  /// are dropped: both hold for the thread that does it and for those that it makes from then on.
  public let start: @Sendable () throws(HumanError) -> Void

  public init(
    _ device: any Device, verbs: [ControlVerb] = [],
    readOperations: @escaping @Sendable () -> [OperationReading] = { [] },
    readAmounts: @escaping @Sendable () -> [AmountReading] = { [] },
    reload: @escaping @Sendable () -> Void = {},
    start: @escaping @Sendable () throws(HumanError) -> Void = {}
  ) {
    self.device = device
    self.verbs = verbs
    self.start = start
    self.readOperations = readOperations
    self.readAmounts = readAmounts
    self.reload = reload
  }
}

/// What a device is made from, inside the sandbox.
public struct Surroundings: Sendable {
  /// O_PATH descriptor of the service's source; nil if it has none.
  public let root: SharedDescriptor?
  /// /proc/self/fd of the process that serves.
  public let descriptorDirectory: SharedDescriptor
  /// Descriptors that this service may hold open: its part of the process's limit.
  public let descriptorBudget: UInt64
  /// Whether somebody may want to know how long operations take (--no-latency).
  public let measuresLatency: Bool
  /// Open sockets of the service's `furtherListeners`, in their order.
  public let furtherListeners: [SharedDescriptor]
  /// Ways to the sockets that the service `reaches`, in their order.
  public let connectors: [Connector]
  public let log: DaemonLog

  /// A line for the person who runs the daemon; from any thread.
  public func warn(_ message: String) {
    log.log(.warning, message)
  }
}

/// One socket with one device behind it.
public struct Service: Sendable {
  /// For logs: a share's tag or directory.
  public let name: String
  public let listener: ListenerSource
  /// The directory or file that the device needs to reach; nil for none.
  public let source: String?
  /// Where else people come in, for the device to serve: a display's viewers, say. Socket files are the owner's alone.
  public let furtherListeners: [ListenerSource]
  /// Socket files of other programs that the device connects to, whether they are there yet or not.
  public var reaches: [String] = []
  /// Beside another service, for a frontend that may have no use for it: the daemon does not wait for its end.
  public var isCompanion = false
  public let makeDevice: @Sendable (Surroundings) throws(HumanError) -> ServedDevice

  public init(
    name: String, listener: ListenerSource, source: String?, furtherListeners: [ListenerSource] = [],
    makeDevice: @escaping @Sendable (Surroundings) throws(HumanError) -> ServedDevice
  ) {
    self.name = name
    self.listener = listener
    self.source = source
    self.furtherListeners = furtherListeners
    self.makeDevice = makeDevice
  }
}

/// A daemon that is ready to be started with `Lifecycle.run`.
public struct DaemonPlan: Sendable {
  public var program: Program
  public var services: [Service]
  public var socketGroup: String?
  /// Path of the control socket; nil for none.
  public var controlSocket: String?
  public var measuresLatency: Bool
  public var endpoint: Endpoint.Options
  public var sandbox: SandboxMode
  public var userMap: [IdentifierRange] = []
  public var groupMap: [IdentifierRange] = []
  public var seccomp: SeccompMode
  /// Calls that the devices need beside `SystemCalls.ofEveryDaemon`.
  public var systemCalls: [String] = []
  public var capabilities: CapabilitySet
  /// Nil chooses; 0 leaves the limit alone.
  public var descriptorLimit: UInt64?
  public var logLevel: LogThreshold
  public var syslog: Bool
  /// SIGHUP has the devices look at their files again instead of ending the daemon.
  public var reloadsOnHangUp = false
  /// Files that the program has opened for its devices before the sandbox closes around it.
  public var openFiles: [SharedDescriptor] = []
  /// What is said about the options before anything is done (deprecated spellings, features that come later).
  public var warnings: [String] = []

  public init(program: Program, services: [Service], common: CommonOptions, onDisconnect: OnDisconnect) {
    self.program = program
    self.services = services
    socketGroup = common.socketGroup
    controlSocket = common.controlSocket
    measuresLatency = common.latency
    endpoint = Endpoint.Options(
      onDisconnect: (common.onDisconnect ?? onDisconnect).policy, spinMicroseconds: common.pollMicroseconds)
    sandbox = common.sandbox
    seccomp = common.seccomp
    capabilities = CapabilitySet()
    descriptorLimit = common.rlimitNofile
    logLevel = common.effectiveLogLevel
    syslog = common.syslog
    if common.deprecatedSocket != nil { warnings.append("--socket is an old name; use --socket-path") }
  }

  /// Descriptors that were passed to this process on purpose.
  var descriptorsFromOutside: [File] {
    services.compactMap { if case .descriptor(let raw) = $0.listener { File(raw: raw) } else { nil } }
      + ServiceManager.passedDescriptors().map { $0.file } + openFiles.map { $0.file }
  }

  var sandboxPlan: Sandbox {
    Sandbox(mode: sandbox, sources: services.compactMap { $0.source }, userMap: userMap, groupMap: groupMap)
  }

  /// For `--dry-run`: what would be done, one fact per line.
  public var description: String {
    var lines = ["program: \(program.name) \(program.version)"]
    for service in services {
      lines.append("service: \(service.name), socket \(service.listener.description)")
      if let source = service.source { lines.append("source: \(source)") }
      lines += service.furtherListeners.map { "also listens at: \($0.description)" }
      lines += service.reaches.map { "connects to: \($0)" }
    }
    lines.append("socket group: \(socketGroup ?? "none")")
    lines.append("control socket: \(controlSocket ?? "none")")
    lines.append("latency: \(measuresLatency ? "measured" : "not measured")")
    lines.append("on disconnect: \(endpoint.onDisconnect == .exit ? "exit" : "relisten")")
    lines.append("poll: \(endpoint.spinMicroseconds.map { "\($0) us" } ?? "automatic")")
    lines.append("sandbox: \(sandbox.rawValue)")
    for (name, map) in [("user", userMap), ("group", groupMap)] where !map.isEmpty {
      let ranges = map.map { "\($0.inside) \($0.outside) \($0.count)" }
      lines.append("\(name) map: \(ranges.joined(separator: ", "))")
    }
    lines.append("seccomp: \(seccomp.rawValue)")
    lines.append("capabilities: \(capabilities.description)")
    lines.append("descriptor limit: \(descriptorLimit.map { "\($0)" } ?? "automatic")")
    lines.append("log level: \(logLevel.rawValue)\(syslog ? ", syslog" : "")")
    lines += warnings.map { "warning: \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }
}
