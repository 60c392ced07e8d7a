// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The socket a frontend comes through. Bound before anything slow, so that a frontend that was started at the same
// time finds it. A socket file that nobody serves any more is replaced; whether somebody does is asked of the kernel,
// because the other daemon would take a connection for its frontend.

internal import Linux

/// Where the socket of a service comes from.
public enum ListenerSource: Equatable, Sendable {
  /// A socket file to make.
  case path(String)
  /// A descriptor that the parent process left open (--fd).
  case descriptor(Int32)
  /// A descriptor of the service manager (LISTEN_FDS): the one of this name, else the next one in order.
  case passed(name: String)
  /// A TCP port at a numeric address. Never a frontend's, whose descriptors no network carries.
  case internet(address: String, port: UInt16)

  public var description: String {
    switch self {
    case .path(let path): path
    case .descriptor(let number): "descriptor \(number)"
    case .passed: "a descriptor of the service manager"
    case .internet(let address, let port): address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
  }
}

extension ListenerSource {
  /// Whether the service manager left descriptors.
  public static var arePassed: Bool { CurrentProcess.environment("LISTEN_FDS") != nil }

  /// The descriptor of an `fd=` in a list of options.
  public static func descriptor(written number: String, in option: String) throws(HumanError) -> ListenerSource {
    guard let fd = Int32(number), fd >= 0 else {
      throw .usage("fd in \(option) needs a descriptor number, not '\(number)'")
    }
    return .descriptor(fd)
  }

  /// Refuses the source that remains when a person gave none.
  public func check() throws(HumanError) {
    if case .passed = self, !ListenerSource.arePassed {
      throw .usage("no socket to listen on; give --socket-path or --fd")
    }
  }
}

extension CommonOptions {
  /// Where the socket of a program's only device comes from.
  /// - Parameter name: the name of the descriptor, if the service manager has it.
  public func listener(named name: String = "") -> ListenerSource {
    if let fd { return .descriptor(fd) }
    if let path = socketPath ?? deprecatedSocket { return .path(path) }
    return .passed(name: name)
  }
}

/// A socket file that this process made.
struct SocketFile: Sendable {
  let path: Path
  private let device: UInt64
  private let inode: UInt64

  init(_ path: Path) throws(Errno) {
    self.path = path
    let status = try path.status(following: false)
    device = SocketFile.device(of: status)
    inode = status.inode
  }

  /// Unlinks it, unless another daemon has put its own there meanwhile.
  func remove() {
    guard let status = try? path.status(following: false), status.inode == inode,
      SocketFile.device(of: status) == device
    else { return }
    try? path.remove()
  }

  private static func device(of status: FileStatus) -> UInt64 {
    UInt64(status.deviceMajor) << 32 | UInt64(status.deviceMinor)
  }
}

/// An open socket of a service.
struct OpenListener: Sendable {
  let descriptor: SharedDescriptor
  /// False for a socket whose other end is the frontend already.
  let isListening: Bool
  /// The file to remove at the end, if this process made it.
  let file: SocketFile?
}

/// All sockets of a daemon.
struct OpenSockets: Sendable {
  /// In the order of the plan's services.
  var services: [OpenListener] = []
  /// What else each service listens at, in the same order.
  var further: [[OpenListener]] = []
  var control: OpenListener?
  /// Ways out for each service, in the same order.
  var connectors: [[Connector]] = []

  /// Files to remove at the end.
  var files: [SocketFile] {
    (services + further.flatMap { $0 } + [control].compactMap { $0 }).compactMap { $0.file }
  }
}

enum Listener {
  /// The longest path that fits into a socket address, less its NUL (unix(7)).
  static let longestPath = 107

  /// Opens the sockets of all services, in order, and the control socket; if one cannot be had, none is left behind.
  static func open(_ plan: DaemonPlan) throws(HumanError) -> OpenSockets {
    var open = OpenSockets()
    do throws(HumanError) {
      try check(plan)
      // As a frontend's, but for the owner alone whoever the frontends are.
      if let path = plan.controlSocket { open.control = try bind(path, group: nil, mode: 0o600) }
      for service in plan.services {
        open.further.append([])
        for source in service.furtherListeners {
          let listener: OpenListener
          if case .path(let path) = source {
            listener = try bind(path, group: nil, mode: 0o600)
          } else {
            listener = try self.open([source], group: nil)[0]
          }
          open.further[open.further.count - 1].append(listener)
        }
      }
      open.services = try self.open(plan.services.map { $0.listener }, group: plan.socketGroup)
      return open
    } catch {
      for file in open.files { file.remove() }
      throw error
    }
  }

  /// No two may be the same: the later one would take the earlier one's file for somebody else's.
  private static func check(_ plan: DaemonPlan) throws(HumanError) {
    if let path = plan.controlSocket, plan.services.contains(where: { $0.listener == .path(path) }) {
      throw .usage("the control socket '\(path)' is a frontend's socket too; give each its own path")
    }
    var seen = Set(plan.controlSocket.map { [$0] } ?? [])
    for source in plan.services.flatMap({ $0.furtherListeners + [$0.listener] }) {
      guard case .path(let path) = source else { continue }
      if !seen.insert(path).inserted {
        throw .usage("'\(path)' is given for two sockets; give each its own path")
      }
    }
  }

  static func open(_ sources: [ListenerSource], group: String?) throws(HumanError) -> [OpenListener] {
    var opened: [OpenListener] = []
    var passed = ServiceManager.passedDescriptors()
    do throws(HumanError) {
      for source in sources {
        switch source {
        case .path(let path): opened.append(try bind(path, group: group))
        case .descriptor(let number): opened.append(try adopt(File(raw: number), "--fd \(number)"))
        case .passed(let name):
          let index = passed.firstIndex { !name.isEmpty && $0.name == name } ?? passed.startIndex
          guard passed.indices.contains(index) else {
            throw .usage("no socket for '\(name)'; give --socket-path, --fd or start it from a systemd socket unit")
          }
          opened.append(try adopt(passed.remove(at: index).file, "a descriptor of the service manager"))
        case .internet(let address, let port): opened.append(try bind(address, port))
        }
      }
    } catch {
      for listener in opened { listener.file?.remove() }
      throw error
    }
    return opened
  }

  private static func adopt(_ file: File, _ what: String) throws(HumanError) -> OpenListener {
    guard file.closeOnExec() else {
      throw .failure("\(what) is not open; let the program that starts this one pass the descriptor on")
    }
    do {
      let isListening = try ListeningSocket.isListening(file)
      let descriptor = SharedDescriptor(FileDescriptor(owning: file.raw))
      return OpenListener(descriptor: descriptor, isListening: isListening, file: nil)
    } catch {
      throw .failure("\(what) is not a socket; pass a listening or connected unix socket")
    }
  }

  /// - Parameter mode: of the socket file; nil is 0700, or 0770 with a group.
  private static func bind(
    _ text: String, group: String?, mode: UInt32? = nil
  ) throws(HumanError) -> OpenListener {
    let path = Path(text)
    guard !text.isEmpty else { throw .usage("the socket path is empty; give --socket-path a file name") }
    guard text.utf8.count <= longestPath else {
      throw .failure(
        "the socket path is \(text.utf8.count) bytes long and the kernel takes \(longestPath); give a shorter one, "
          + "for example relative to the directory that the daemon is started in")
    }
    let groupID = try group.map { name throws(HumanError) in try identifier(ofGroup: name) }
    // Two daemons that are started at once must not both find the same file stale.
    let lock = lockDirectory(of: path)
    defer { withExtendedLifetime(lock) {} }
    try replaceStale(path)
    do {
      // From the first moment on.
      let socket = try ListeningSocket(path: text, mode: mode ?? (groupID == nil ? 0o700 : 0o770))
      let file = try SocketFile(path)
      do {
        if let groupID { try path.setGroup(groupID) }
      } catch {
        file.remove()
        throw HumanError.failure(
          "cannot give the socket to group '\(group ?? "")' (\(error.message)); start as root or as a member of it")
      }
      let descriptor = SharedDescriptor(try socket.file.duplicate())
      return OpenListener(descriptor: descriptor, isListening: true, file: file)
    } catch let error as HumanError {
      throw error
    } catch let error as Errno {
      throw bindFailure(path, error)
    } catch {
      throw .failure("cannot listen on '\(text)' (\(error))")
    }
  }

  private static func bind(_ address: String, _ port: UInt16) throws(HumanError) -> OpenListener {
    let name = ListenerSource.internet(address: address, port: port).description
    do {
      let socket = try ListeningSocket(address: address, port: port)
      let descriptor = SharedDescriptor(try socket.file.duplicate())
      return OpenListener(descriptor: descriptor, isListening: true, file: nil)
    } catch .addressInUse {
      throw .failure("another program listens at \(name); choose another port")
    } catch .invalid {
      throw .usage("'\(address)' is no numeric address; give one such as 127.0.0.1 or ::1")
    } catch .accessDenied {
      throw .failure("no permission to listen at \(name); choose a port above 1023")
    } catch {
      throw .failure("cannot listen at \(name) (\(error.message)); choose an address of this machine")
    }
  }

  private static func bindFailure(_ path: Path, _ error: Errno) -> HumanError {
    switch error {
    case .noEntry, .notDirectory:
      .failure("the directory of the socket '\(path)' does not exist; create '\(path.directory)' first")
    case .accessDenied, .readOnly, .notPermitted:
      .failure("no permission to create the socket '\(path)'; choose a directory that this user may write to")
    case .addressInUse:
      .failure("another program is serving the socket '\(path)'; stop it or choose another socket path")
    default:
      .failure("cannot listen on '\(path)' (\(error.message)); choose another path")
    }
  }

  private static func identifier(ofGroup name: String) throws(HumanError) -> UInt32 {
    do {
      return try Groups.identifier(of: name)
    } catch {
      throw .failure("there is no group '\(name)' for the socket; create it or give another --socket-group")
    }
  }

  /// An exclusive lock on the directory that holds the socket. Nothing depends on it but two daemons that start in the
  /// same millisecond, so it is done without if the directory cannot be opened or is locked for long.
  private static func lockDirectory(of path: Path) -> SharedDescriptor? {
    guard let opened = try? path.directory.open(flags: OpenFlags.readOnly | OpenFlags.directory) else { return nil }
    let directory = SharedDescriptor(opened)
    let exclusive: Int32 = 2  // LOCK_EX
    for _ in 0..<400 {
      if (try? directory.file.lockWhole(exclusive)) != nil { return directory }
      _ = Poll.wait(nil, nil, timeoutNanoseconds: 5_000_000)
    }
    return nil
  }

  private static func replaceStale(_ path: Path) throws(HumanError) {
    guard let status = try? path.status(following: false) else { return }
    guard status.type == .socket else {
      throw .failure("'\(path)' exists and is not a socket; remove it or choose another socket path")
    }
    let isServed: Bool
    do {
      isServed = try path.isServed()
    } catch {
      throw .failure(
        "no permission to see who serves the socket '\(path)' (\(error.message)); remove it or choose another path")
    }
    if isServed {
      throw .failure("another program is serving the socket '\(path)'; stop it or choose another socket path")
    }
    do {
      try path.remove()
    } catch {
      throw .failure("cannot replace the stale socket '\(path)' (\(error.message)); remove it or choose another path")
    }
  }
}
