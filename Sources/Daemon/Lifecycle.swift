// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The order in which a daemon starts: logging, socket, connectors, limits, sandbox, devices, capabilities, seccomp,
// threads, ready. The socket comes first because frontends wait for it; everything privileged is over before the first
// byte from a frontend is read.

internal import Linux
internal import VhostUser

public enum Lifecycle {
  /// Runs the daemon to its end.
  public static func run(_ plan: DaemonPlan) -> Never {
    // What the starting process left open without being asked would be a hole in the sandbox. It is closed when the
    // sources are open, because one of them may be named as /proc/self/fd/N.
    let strays = File.inherited(except: plan.descriptorsFromOutside)
    let log = DaemonLog(program: plan.program.name, threshold: plan.logLevel, syslog: plan.syslog)
    for warning in plan.warnings { log.log(.warning, warning) }
    Signal.brokenPipe.ignore()
    do {
      try start(plan, strays, log)
    } catch {
      end(error, plan, log)
    }
  }

  private static func end(_ error: HumanError, _ plan: DaemonPlan, _ log: DaemonLog) -> Never {
    // Whoever looks into the system's log shall find it there too.
    if plan.syslog { log.log(.error, error.message) }
    error.end(plan.program.name)
  }

  /// Both processes: up to the fork.
  private static func start(_ plan: DaemonPlan, _ strays: [File], _ log: DaemonLog) throws(HumanError) -> Never {
    let sandbox = plan.sandboxPlan
    do throws(SandboxError) { try sandbox.check() } catch { throw .failure(error.message) }
    let readiness = Readiness()
    // From here on signals wait until somebody reads them: none may end the process between making the socket file
    // and knowing that it has to be removed.
    let signals = try blockSignals()
    var sockets = try Listener.open(plan)
    let files = sockets.files
    let process = CurrentProcess.identifier
    let status = "serving \(plan.services.map { $0.name }.joined(separator: ", "))"
    do {
      for service in plan.services {
        sockets.connectors.append([])
        for path in service.reaches {
          sockets.connectors[sockets.connectors.count - 1].append(try Connector.start(path, plan.seccomp))
        }
      }
      let limit = try DescriptorBudget.apply(plan.descriptorLimit, log: log)
      // Fails without CAP_SETGID, and then there is nothing to be lost.
      try? Groups.leaveSupplementary()
      guard plan.sandbox.hasParent else {
        let server = try serve(plan, sockets, process, limit, signals, parent: nil, strays, log)
        try server.start()
        readiness.ready(status)
        log.log(.info, status)
        let code = server.run()
        readiness.stopping()
        for file in files { file.remove() }
        CurrentProcess.exit(code)
      }
      switch try fork(sandbox) {
      case .child(let ready, let life):
        serveInChild(plan, sockets, process, limit, ready, life, status, strays, log)
      case .parent(let child, let ready, let life):
        // When the child is gone nobody must be able to connect any more.
        sockets = OpenSockets()
        let supervisor = Supervisor(
          child: child, ready: ready, life: life, signals: signals, readiness: readiness, files: files,
          status: status, mapsUsers: !plan.userMap.isEmpty, reloadsOnHangUp: plan.reloadsOnHangUp, log: log)
        CurrentProcess.exit(supervisor.run())
      }
    } catch {
      for file in files { file.remove() }
      throw error
    }
  }

  private static func blockSignals() throws(HumanError) -> SignalDescriptor {
    do {
      return try SignalDescriptor([.terminate, .interrupt, .hangUp, .user1, .childEnded])
    } catch {
      throw .failure("cannot create a signalfd (\(error.message)); raise the limit of open descriptors")
    }
  }

  private enum Fork {
    case parent(ChildProcess, ready: SharedDescriptor, life: SharedDescriptor)
    case child(ready: SharedDescriptor, life: SharedDescriptor)
  }

  /// Each process keeps its own ends of the two pipes; the others close when this returns.
  private static func fork(_ sandbox: Sandbox) throws(HumanError) -> Fork {
    do throws(SandboxError) { try sandbox.prepare() } catch { throw .failure(error.message) }
    do throws(Errno) {
      let ready = try Pipe()
      let life = try Pipe()
      guard let child = try ChildProcess.fork() else {
        return .child(ready: ready.writing, life: life.reading)
      }
      return .parent(child, ready: ready.reading, life: life.writing)
    } catch {
      throw .failure("cannot start the serving process (\(error.message)); raise the limit of processes")
    }
  }

  private static func serveInChild(
    _ plan: DaemonPlan, _ sockets: OpenSockets, _ process: Int32, _ limit: UInt64, _ ready: SharedDescriptor,
    _ life: SharedDescriptor, _ status: String, _ strays: [File], _ log: DaemonLog
  ) -> Never {
    do throws(HumanError) {
      let server = try serve(plan, sockets, process, limit, try blockSignals(), parent: life, strays, log)
      // SIGTERM and not SIGKILL: what the guest was told is written shall be on its way to the disk. Not earlier,
      // because a change of ids takes it back; the pipe covers the time before.
      try? CurrentProcess.dieWithParent(.terminate)
      try server.start()
      try? ready.file.write("R")
      log.log(.info, status)
      CurrentProcess.exit(server.run())
    } catch {
      end(error, plan, log)
    }
  }

  /// Everything between the sockets and the threads, in the process that serves.
  private static func serve(
    _ plan: DaemonPlan, _ sockets: OpenSockets, _ process: Int32, _ limit: UInt64, _ signals: SignalDescriptor,
    parent: SharedDescriptor?, _ strays: [File], _ log: DaemonLog
  ) throws(HumanError) -> Server {
    let surroundings: SandboxRoots
    do throws(SandboxError) { surroundings = try plan.sandboxPlan.enter() } catch { throw .failure(error.message) }
    for stray in strays { stray.close() }
    CurrentProcess.limitAllocatorArenas(1)
    // The guest says what mode a new file gets.
    ThreadIdentity.setFileModeMask(0)
    let services = try makeServices(plan, sockets, surroundings, limit, log)
    // Before the filter: libcap-ng reads /proc, and nothing that serves needs to open a file for that.
    do throws(Errno) {
      let missing = try plan.capabilities.keepOnlyThese()
      if !missing.numbers.isEmpty {
        log.log(.debug, "started without the capabilities \(missing.description)")
      }
    } catch {
      throw .failure("cannot drop capabilities (\(error.message)); start it with less privileges or as root")
    }
    do throws(SeccompError) {
      try SeccompFilter.load(plan.seccomp, allowing: SystemCalls.ofEveryDaemon + plan.systemCalls)
    } catch {
      throw .failure("\(error.message); try --seccomp=none")
    }
    let control = sockets.control.map { listener in
      Server.Control(
        listener: listener,
        desk: ControlDesk(program: plan.program, process: process, services: services, log: log))
    }
    return try Server(
      services, control: control, signals: signals, parent: parent, reloadsOnHangUp: plan.reloadsOnHangUp, log: log)
  }

  private static func makeServices(
    _ plan: DaemonPlan, _ sockets: OpenSockets, _ roots: SandboxRoots, _ limit: UInt64, _ log: DaemonLog
  ) throws(HumanError) -> [RunningService] {
    // Some are the daemon's own; the services share the rest equally.
    let budget = limit * 3 / 4 / UInt64(max(plan.services.count, 1))
    var rest = roots.roots[...]
    var running: [RunningService] = []
    for (index, (service, listener)) in zip(plan.services, sockets.services).enumerated() {
      let ownLog = plan.services.count > 1 ? log.naming(share: service.name) : log
      let served = try service.makeDevice(
        Surroundings(
          root: service.source == nil ? nil : rest.popFirst(), descriptorDirectory: roots.descriptorDirectory,
          descriptorBudget: budget, measuresLatency: plan.measuresLatency,
          furtherListeners: sockets.further[index].map { $0.descriptor }, connectors: sockets.connectors[index],
          log: ownLog))
      var options = plan.endpoint
      // Nobody waits for its end: whoever attaches it next finds it.
      if service.isCompanion { options.onDisconnect = .relisten }
      do throws(Errno) {
        let descriptor = try listener.descriptor.file.duplicate()
        let endpoint =
          listener.isListening
          ? Endpoint(
            listener: ListeningSocket(descriptor), device: served.device, options: options, log: ownLog)
          : Endpoint(
            connection: UnixSocket(descriptor), device: served.device, options: options, log: ownLog)
        running.append(
          RunningService(
            name: service.name, socket: service.listener.description, endpoint: endpoint, served: served,
            isCompanion: service.isCompanion, log: ownLog))
      } catch {
        throw .failure("cannot take over a socket (\(error.message)); raise --rlimit-nofile")
      }
    }
    return running
  }
}
