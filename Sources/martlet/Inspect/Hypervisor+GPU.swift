// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Who can attach a gpu, and how. There are two protocols of that name: QEMU's, where the frontend shows the picture
// and lends a socket for it, and crosvm's, where the backend shows it and shares memory with the guest. Shared memory
// is what tells them apart from outside.

internal import VhostUserProtocol

extension Hypervisor {
  func gpuVerdict(_ backend: Inspection) -> Verdict {
    // SHMEM by its number of today and by those it had before.
    let shares: ProtocolFeatures = [.shmem, .gpaAddresses, ProtocolFeatures(rawValue: 1 << 31)]
    let showsItself = !shares.isDisjoint(with: backend.protocolFeatures ?? [])
    let socket = backend.socket
    switch self {
    case .qemu:
      if let verdict = missing(.config, in: backend) { return verdict }
      let chardev = "socket,id=gpu0,path=\(socket.optionValue)".shellWord
      let device =
        showsItself
        ? "vhost-user-test-device-pci,chardev=gpu0,virtio-id=16,num_vqs=2,config_size=16"
        : "vhost-user-vga,chardev=gpu0"
      return .attaches(
        Recipe(
          "qemu-system-x86_64 ... -m 1G -object memory-backend-memfd,id=mem,size=1G,share=on "
            + "-machine memory-backend=mem -vga none -chardev \(chardev) -device \(device)",
          remark: showsItself ? "needs QEMU 11.1; the backend shows the picture" : nil))
    case .cloudHypervisor:
      if let verdict = missing([.config, .backendReq, ProtocolFeatures(rawValue: 1 << 31)], in: backend) {
        return verdict
      }
      return .attaches(
        Recipe(
          "cloud-hypervisor ... --memory size=1G,shared=on --gpu \("socket=\(socket)".shellWord)",
          remark: "only with Spectrum's patches; the original has no gpu"))
    case .firecracker:
      return .cannot("it has no gpu")
    case .crosvm:
      if let verdict = missing([.config, .backendReq], in: backend) { return verdict }
      guard showsItself else {
        return .cannot("it wants a backend that shows the picture itself (SHMEM)")
      }
      return .attaches(Recipe("crosvm run ... --vhost-user \("type=gpu,socket=\(socket)".shellWord)"))
    case .stratovirt:
      if let verdict = missing(.config, in: backend) { return verdict }
      let chardev = "socket,id=gpu0,path=\(socket.optionValue)".shellWord
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
}
