// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The command line: QEMU's conventions for block backends, and ours. This file declares; what the options mean together
// is decided in Options+Plan.swift.

public import ArgumentParser
public import Block
internal import Daemon

extension DirectIO: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

extension EngineChoice: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

extension CacheMode: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

extension PinnedMemory: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

struct Options: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet-blk",
    abstract: "Serves disk images and block devices to virtual machines (virtio-blk over vhost-user).",
    usage: """
      martlet-blk --blk-file <path> --socket-path <path> [options]
      martlet-blk --volume image=<path>,socket=<path>[,...] ... [options]
      """,
    discussion: """
      A list of volumes (--volume) runs in one process; options beside it hold for each volume unless it says \
      otherwise. SIGTERM and SIGINT end it, SIGHUP looks whether the images have grown, SIGUSR1 writes counters to \
      the log, and a control socket answers questions and resizes.
      """,
    version: "\(program.name) \(program.version)")

  @OptionGroup(title: "What to serve") var what: WhatToServe
  @OptionGroup(title: "Daemon") var common: CommonOptions
  @OptionGroup(title: "Volume") var volume: VolumeFlags
  @OptionGroup(title: "Image") var image: ImageFlags

  /// The command line with what the option parser does not know made plain: `--direct` alone is `--direct=on`.
  static func plain(_ arguments: [String]) -> [String] {
    var result: [String] = []
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      guard argument == "--direct" else {
        result.append(argument)
        continue
      }
      let value = rest.first.flatMap { DirectIO(argument: $0) } == nil ? "on" : rest.removeFirst()
      result.append("--direct=\(value)")
    }
    return result
  }
}

/// Where it is: QEMU's way for one, ours for several.
struct WhatToServe: ParsableArguments {
  @Option(
    name: .customLong("blk-file"), help: ArgumentHelp("Image file or block device to serve.", valueName: "path"))
  var file: String?

  @Option(
    name: .customLong("volume"),
    help: ArgumentHelp(
      """
      One of several volumes: image=PATH,socket=PATH and options of a volume without their dashes, such as read-only, \
      serial=NAME, direct, num-queues=4. A comma in a value is written twice. Instead of socket: fd=N, or nothing \
      where systemd passes a socket of the volume's name (name=NAME, or the image's file name).
      """, valueName: "list"))
  var volumes: [String] = []
}

/// What one volume can be told, and what --volume can say differently for each.
struct VolumeFlags: ParsableArguments {
  @Flag(
    name: [.customLong("read-only"), .customLong("readonly")], help: "Refuse everything that would change the image.")
  var readOnly = false

  @Option(
    help: ArgumentHelp(
      "Serial number that the guest sees, at most 20 bytes. Default: made from the image's device and inode.",
      valueName: "name"))
  var serial: String?

  @Option(
    name: .customLong("num-queues"),
    help: ArgumentHelp(
      "Number of queues, each with a thread of its own, 1 to 64; nproc is one per processor.",
      valueName: "count"))
  var queues = QueueCount.number(1)

  @Option(
    name: .customLong("queue-size"),
    help: ArgumentHelp(
      "Descriptors that the hypervisor gives each queue, a power of two: a request has up to two segments less.",
      valueName: "count"))
  var queueSize = 128

  @Option(
    help: ArgumentHelp(
      "Bypass the host's page cache (O_DIRECT): on (the bare option), prefer (where the file system can) or off.",
      valueName: "how"))
  var direct = DirectIO.off

  @Option(
    help: ArgumentHelp(
      """
      When a write is safe: writeback (after the guest's flush; the guest may switch), writethrough (when it is \
      answered) or unsafe (flushes are answered and not done).
      """, valueName: "mode"))
  var cache = CacheMode.writeback

  @Option(
    help: ArgumentHelp(
      "Who reads and writes: io_uring, threads, or auto: io_uring where it is allowed.", valueName: "how"))
  var engine = EngineChoice.auto

  @Option(
    name: .customLong("pin-memory"),
    help: ArgumentHelp(
      """
      Register the guest's memory with io_uring, which spares work for each request and keeps all of it in the host's \
      memory: off, huge (what lies in huge pages) or on. Not with ballooning.
      """, valueName: "what"))
  var pinnedMemory = PinnedMemory.off

  @Option(
    name: .customLong("block-size"),
    help: ArgumentHelp(
      "Logical block size for the guest, 512 to 65536. Default: the device's; 512 for a file.", valueName: "bytes"))
  var blockSize: Int?

  @Option(
    help: ArgumentHelp("Most requests that the guest has done in a second, all queues together.", valueName: "count"))
  var iops: Int64?

  @Option(
    name: .customLong("iops-burst"),
    help: ArgumentHelp(
      "How many requests may come at once after a quiet time. Default: a tenth of --iops.", valueName: "count"))
  var iopsBurst: Int64?

  @Option(
    help: ArgumentHelp("Most bytes that the guest may read and write in a second: 500K, 100M.", valueName: "size"))
  var bandwidth: String?

  @Option(
    name: .customLong("bandwidth-burst"),
    help: ArgumentHelp(
      "How many bytes may come at once after a quiet time. Default: a tenth of --bandwidth.", valueName: "size"))
  var bandwidthBurst: String?
}
