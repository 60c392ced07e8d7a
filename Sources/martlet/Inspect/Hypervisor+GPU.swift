// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Who can attach a gpu, and how. There are two dialects: QEMU's, where the frontend shows the picture and lends a
// socket for it, and the plain one, where the backend shows it; crosvm's kind of the latter shares memory with the
// guest besides. No bit names the dialect, so what is offered has to tell.

internal import GPUProtocol
internal import VhostUserProtocol
internal import VirtioProtocol

extension Hypervisor {
  /// SHMEM by its number of 2024.
  private static let oldSharing = ProtocolFeatures(rawValue: 1 << 31)

  func gpuVerdict(_ backend: Inspection) -> Verdict {
    let offered = backend.protocolFeatures ?? []
    // GPA_ADDRESSES was SHMEM in the spring of 2026, to those of whom nobody keeps a log.
    let shares =
      !offered.isDisjoint(with: [.shmem, Self.oldSharing])
      || (offered.contains(.gpaAddresses) && !offered.contains(.logShmfd))
    // QEMU's vhost-user-gpu passes no blobs on: who offers them means others.
    let showsItself = shares || !backend.features.isDisjoint(with: .device(GPUFeatureBit.resourceBlob))
    let socket = backend.socket
    let chardev = "socket,id=gpu0,path=\(socket.optionValue)".shellWord
    switch self {
    case .qemu:
      return missing(.config, in: backend) ?? qemuVerdict(chardev, shares: shares, showsItself: showsItself)
    case .cloudHypervisor:
      if showsItself, !shares {
        let device = "socket=\(socket),device_type=16,queue_sizes=[256,16]".shellWord
        return missing(.config, in: backend)
          ?? .attaches(
            Recipe(
              "cloud-hypervisor ... --memory size=1G,shared=on --generic-vhost-user \(device)",
              remark: "v52 or newer; two-dimensional and without EDID: it passes no feature of the device on"))
      }
      if let verdict = missing([.config, .backendReq, Self.oldSharing], in: backend) { return verdict }
      return .attaches(
        Recipe(
          "cloud-hypervisor ... --memory size=1G,shared=on --gpu \("socket=\(socket)".shellWord)",
          remark: "only with Spectrum's patches; the original has no gpu"))
    case .firecracker:
      return .cannot("it has no gpu")
    case .crosvm:
      if let verdict = missing([.config, .backendReq], in: backend) { return verdict }
      guard showsItself else {
        return .cannot("it wants a backend that shows the picture itself")
      }
      return .attaches(Recipe("crosvm run ... --vhost-user \("type=gpu,socket=\(socket)".shellWord)"))
    case .stratovirt:
      if let verdict = missing(.config, in: backend) { return verdict }
      return .attaches(
        Recipe(
          "stratovirt -machine q35,mem-share=on ... -chardev \(chardev) "
            + "-device vhost-user-gpu-pci,id=gpu0,chardev=gpu0",
          remark: "attaches, but shows no picture: its display side is not written yet"))
    case .alioth:
      return .cannot("it has no option for a gpu")
    case .userModeLinux:
      return .cannot("its kernel has no display driver")
    }
  }

  private func qemuVerdict(_ chardev: String, shares: Bool, showsItself: Bool) -> Verdict {
    let plain = "vhost-user-test-device-pci,chardev=gpu0,virtio-id=16,num_vqs=2,config_size=16"
    let (device, remark): (String, String?) =
      switch (shares, showsItself) {
      case (true, _): (plain, "needs QEMU 11.1; the backend shows the picture")
      case (_, true):
        (
          "vhost-user-gpu-pci,chardev=gpu0",
          "QEMU shows the picture; if the backend shall, with QEMU 11.1: -device \(plain)"
        )
      default: ("vhost-user-vga,chardev=gpu0", nil)
      }
    return .attaches(
      Recipe(
        "qemu-system-x86_64 ... -m 1G -object memory-backend-memfd,id=mem,size=1G,share=on "
          + "-machine memory-backend=mem -vga none -chardev \(chardev) -device \(device)", remark: remark))
  }
}
