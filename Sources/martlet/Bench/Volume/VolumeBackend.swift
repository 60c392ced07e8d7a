// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How a block backend is told to serve an image. qemu-storage-daemon has a command line of its own; all others are
// taken to know QEMU's conventions for backend programs (docs/interop/vhost-user.rst), as martlet-blk does with more
// options.

internal import Linux

struct VolumeStarter {
  let specs: [BackendSpec]
  let folder: String
  let images: VolumeImages
  let queues: Int

  private static let daemon = "qemu-storage-daemon"

  /// Everybody has an image of its own, with the same bytes: backends lock theirs.
  func start(_ spec: BackendSpec, _ mode: VolumeMode, number: Int) throws(HumanError) -> RunningBackend {
    let image = images.path(mode, number: number)
    guard case .program = spec.source else {
      return try RunningBackend(spec, in: folder, number: number) { _ in [] }
    }
    let (isDaemon, isMartlet) = kind(spec)
    return try RunningBackend(spec, in: folder, number: number) { socket in
      isDaemon
        ? daemonArguments(socket, image, mode)
        : ["--socket-path=\(socket)"]
          + (isMartlet && mode == .null
            ? ["--format=null", "--size=\(images.byteCount)B"] : ["--blk-file=\(image)"])
          + (isMartlet ? ["--num-queues=\(queues)", "--queue-size=\(VolumeSession.queueSize)"] : [])
          + (isMartlet && mode.isDirect ? ["--direct"] : [])
          + (isMartlet && mode == .pinned ? ["--pin-memory=on"] : [])
          + (isMartlet && mode == .threads ? ["--engine=threads"] : [])
    }
  }

  /// Rivals are told apart by name or program: both may be given by the user.
  private func kind(_ spec: BackendSpec) -> (isDaemon: Bool, isMartlet: Bool) {
    guard case .program(let program, _) = spec.source else { return (false, false) }
    return (spec.name.hasPrefix(Self.daemon) || program.hasSuffix(Self.daemon), program.hasSuffix("martlet-blk"))
  }

  /// An image for everybody, and one for the limit; none where all have a device of nothing.
  func prepareImages(_ mode: VolumeMode) throws(HumanError) {
    if mode == .null, specs.allSatisfy({ kind($0).isDaemon || kind($0).isMartlet }) { return }
    try images.prepare(mode, count: specs.count + 1)
  }

  func all(_ mode: VolumeMode, _ settings: ShareSettings) throws(HumanError) -> [any Contestant] {
    try specs.contestants { (spec, number) throws(HumanError) in
      try start(spec, mode, number: number)
    } session: { (backend, _) throws(HumanError) in
      try VolumeSession(backend, settings)
    }
  }

  private func daemonArguments(_ socket: String, _ image: String, _ mode: VolumeMode) -> [String] {
    let device =
      mode == .null
      ? "driver=null-co,node-name=d0,size=\(images.byteCount),read-zeroes=off"
      : "driver=file,node-name=d0,filename=\(image),aio=\(mode == .threads ? "threads" : "io_uring"),"
        + "cache.direct=\(mode.isDirect ? "on" : "off"),discard=unmap"
    return [
      "--object", "iothread,id=t0", "--blockdev", device, "--export",
      "type=vhost-user-blk,id=e0,node-name=d0,writable=on,addr.type=unix,addr.path=\(socket),num-queues=\(queues),"
        + "iothread=t0",
    ]
  }
}

/// The files that are served.
struct VolumeImages {
  /// On a disk, and in memory.
  let disk: String
  let memory: String
  let byteCount: Int

  func path(_ mode: VolumeMode, number: Int) -> String {
    "\(mode == .tmpfs ? memory : disk)/volume-\(number).img"
  }

  /// Makes those of a mode that are missing, and reads them once where the page cache shall be warm.
  func prepare(_ mode: VolumeMode, count: Int) throws(HumanError) {
    let paths = (0..<count).map { path(mode, number: $0) }
    do throws(Errno) {
      let missing = paths.filter { (try? Path($0).status()) == nil }
      if !missing.isEmpty { try ShareFiles.makeFiles(missing, byteCount) }
      if mode == .cached || mode == .null {
        for path in paths { try read(path) }
      }
    } catch {
      throw .failure("cannot make the \(count) images \(paths[0]) and so on: \(error.message)")
    }
  }

  private func read(_ path: String) throws(Errno) {
    let file = try Path(path).open(flags: OpenFlags.readOnly)
    let scratch = Scratch(byteCount: 1 << 20)
    while try file.file.read(into: scratch.segment) > 0 {}
  }
}
