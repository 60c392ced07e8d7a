// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// From options to volumes and the daemon's plan.

internal import Block
internal import Daemon
internal import Linux

extension Options {
  /// What the command line asks for, checked; nothing of the host was looked at yet.
  func volumes() throws(HumanError) -> [VolumePlan] {
    var template = VolumePlan(
      image: what.file ?? "", listener: common.listener(), options: VolumeOptions(name: ""), wishes: ImageWishes(image))
    template.options.readOnly = volume.readOnly
    template.options.serial = volume.serial
    template.options.direct = volume.direct
    template.options.cache = volume.cache
    template.options.engine = volume.engine
    template.options.pinnedMemory = volume.pinnedMemory
    try template.set(queues: volume.queues, in: "--num-queues")
    try template.set(queueSize: volume.queueSize, in: "--queue-size")
    if let blockSize = volume.blockSize { try template.set(blockSize: blockSize, in: "--block-size") }
    template.options.limits = VolumeLimits(requestsPerSecond: volume.iops, requestBurst: volume.iopsBurst)
    if let text = volume.bandwidth {
      template.options.limits.bytesPerSecond = try template.byteCount(text, "--bandwidth")
    }
    if let text = volume.bandwidthBurst {
      template.options.limits.byteBurst = try template.byteCount(text, "--bandwidth-burst")
    }
    var volumes = try what.volumes.isEmpty ? [single(template)] : several(template)
    for index in volumes.indices { try volumes[index].finish() }
    return volumes
  }

  /// Opens the images, and says how the daemon is to run.
  func plan(_ volumes: [VolumePlan]) throws(HumanError) -> DaemonPlan {
    var images: [Image] = []
    for volume in volumes { images.append(try volume.openImage()) }
    var plan = DaemonPlan(
      program: Options.program, services: zip(volumes, images).map { $0.service($1) }, common: common,
      onDisconnect: .relisten)
    plan.systemCalls = BlockCalls.all
    if volumes.contains(where: { $0.options.pinnedMemory != .off }) {
      plan.systemCalls += BlockCalls.forPinning
      MemoryLimit.raiseToMost()
    }
    plan.openFiles = images.map { $0.descriptor }
    plan.reloadsOnHangUp = true
    return plan
  }

  /// QEMU's way: one file, one socket.
  private func single(_ template: VolumePlan) throws(HumanError) -> VolumePlan {
    let isNothing = try template.wishes.nothingByteCount() != nil
    guard what.file != nil || isNothing else {
      throw .usage("nothing to serve; give --blk-file an image, or --volume")
    }
    try template.listener.check()
    return template
  }

  /// Ours: a list of volumes, each with what it says beside the common options.
  private func several(_ template: VolumePlan) throws(HumanError) -> [VolumePlan] {
    guard what.file == nil, volume.serial == nil, common.fd == nil, common.socketPath ?? common.deprecatedSocket == nil
    else {
      throw .usage(
        "--volume has its own image, serial and socket; leave out --blk-file, --serial, --socket-path and --fd")
    }
    var result: [VolumePlan] = []
    for list in what.volumes {
      let volume = try parse(list, template)
      for other in result where other.listener == volume.listener {
        if case .path(let path) = volume.listener {
          throw .usage("two volumes have the socket '\(path)'; give each its own")
        }
      }
      result.append(volume)
    }
    return result
  }

  private func parse(_ list: String, _ template: VolumePlan) throws(HumanError) -> VolumePlan {
    var volume = template
    var listener: ListenerSource?
    for item in OptionList.items(list) {
      switch (item.key, item.value) {
      case ("image", let path?): volume.image = path
      case ("socket", let path?): listener = .path(path)
      case ("name", let name?): volume.options.name = name
      case ("fd", let number?):
        listener = try .descriptor(written: number, in: "--volume")
      default:
        if try !volume.set(item.key, item.value) {
          throw .usage("--volume does not know '\(item.text)'; it takes image=, socket= and the options of a volume")
        }
      }
    }
    let isNothing = try volume.wishes.nothingByteCount() != nil
    guard !volume.image.isEmpty || isNothing else {
      throw .usage("--volume '\(list)' has no image; add image=PATH")
    }
    guard listener != nil || ListenerSource.arePassed else {
      throw .usage("--volume '\(list)' has no socket; add socket=PATH")
    }
    volume.listener = listener ?? .passed(name: "")
    return volume
  }
}
