// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Who can attach a block device, and how.

internal import VhostUserProtocol

extension Hypervisor {
  func blockVerdict(_ backend: Inspection) -> Verdict {
    let socket = backend.socket
    switch self {
    case .qemu:
      if let verdict = missing(.config, in: backend) { return verdict }
      let chardev = "socket,id=blk0,path=\(socket.optionValue)".shellWord
      return .attaches(
        Recipe(
          "qemu-system-x86_64 ... -m 1G -object memory-backend-memfd,id=mem,size=1G,share=on "
            + "-machine memory-backend=mem -chardev \(chardev) -device vhost-user-blk-pci,chardev=blk0"))
    case .cloudHypervisor:
      if let verdict = missing(.config, in: backend) { return verdict }
      let disk = "vhost_user=on,socket=\(socket)".shellWord
      return .attaches(Recipe("cloud-hypervisor ... --memory size=1G,shared=on --disk \(disk)"))
    case .firecracker:
      if let verdict = missing(.config, in: backend) { return verdict }
      let drive = JSON.object([
        "drive_id": .string("data"), "socket": .string(socket), "is_root_device": .bool(false),
      ])
      return .attaches(
        Recipe(
          "curl --unix-socket API.sock -X PUT http://localhost/drives/data -d \(drive.line.shellWord)",
          remark: "it uses one queue of 256"))
    case .crosvm:
      if let verdict = missing(.config, in: backend) { return verdict }
      return .attaches(Recipe("crosvm run ... --vhost-user \("type=block,socket=\(socket)".shellWord)"))
    case .stratovirt:
      if let verdict = missing([.config, .inflightShmfd], in: backend) { return verdict }
      let chardev = "socket,id=blk0,path=\(socket.optionValue)".shellWord
      return .attaches(
        Recipe(
          "stratovirt -machine microvm,mem-share=on ... -chardev \(chardev) "
            + "-device vhost-user-blk-device,id=blk0,chardev=blk0"))
    case .alioth:
      if let verdict = missing([.mq, .replyAck, .configureMemSlots, .config], in: backend) { return verdict }
      return .attaches(
        Recipe("alioth boot ... --memory size=1G,backend=memfd --blk \("vu,socket=\(socket)".shellWord)"))
    case .userModeLinux:
      if let verdict = missing(.config, in: backend) { return verdict }
      return .attaches(
        Recipe(
          "linux.uml mem=512M ... \("virtio_uml.device=\(socket):2".shellWord)",
          remark: "the backend must take its long SET_MEM_TABLE; those built on rust-vmm do not"))
    }
  }
}
