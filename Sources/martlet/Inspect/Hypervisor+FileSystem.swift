// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Who can attach a file system, and how.

internal import VhostUserProtocol

extension Hypervisor {
  func fileSystemVerdict(_ backend: Inspection) -> Verdict {
    if let count = backend.queueCount, count < 2 {
      return .cannot("a file system has at least 2 queues, this backend has \(count)")
    }
    let tag = backend.tag ?? "data"
    let queues = backend.requestQueues
    switch self {
    case .qemu:
      if let verdict = missing([], protocolFeatures: false, in: backend) { return verdict }
      return .attaches(qemuFileSystem(backend, tag, queues))
    case .cloudHypervisor:
      if let verdict = missing([], in: backend) { return verdict }
      let list = "tag=\(tag),socket=\(backend.socket),num_queues=\(queues),queue_size=1024"
      return .attaches(
        Recipe(
          "cloud-hypervisor ... --memory size=1G,shared=on --fs \(list.shellWord)",
          remark: backend.offers(.inflightShmfd)
            ? nil : "requests under way are lost when it connects again (no INFLIGHT_SHMFD)"))
    case .firecracker:
      return .cannot("it has no virtio-fs")
    case .crosvm:
      if let verdict = missing(.config, in: backend) {
        return hint(verdict, backend, "it asks the device for its tag")
      }
      return .attaches(Recipe("crosvm run ... --vhost-user \("type=fs,socket=\(backend.socket)".shellWord)"))
    case .stratovirt:
      if let verdict = missing([], protocolFeatures: false, in: backend) { return verdict }
      let chardev = "socket,id=fs0,path=\(backend.socket.optionValue)".shellWord
      return .attaches(
        Recipe(
          "stratovirt -machine microvm,mem-share=on ... -chardev \(chardev) "
            + "-device \("vhost-user-fs-device,id=fs0,chardev=fs0,tag=\(tag.optionValue)".shellWord)",
          remark: queues > 1 ? "it uses one of the \(queues) request queues" : nil))
    case .alioth:
      if let verdict = missing([.mq, .replyAck, .configureMemSlots], in: backend) { return verdict }
      return .attaches(
        Recipe(
          "alioth boot ... --memory size=1G,backend=memfd "
            + "--fs \("vu,socket=\(backend.socket),tag=\(tag)".shellWord)"))
    case .userModeLinux:
      if let verdict = missing(.config, in: backend) {
        return hint(verdict, backend, "it asks the device for its tag")
      }
      return .attaches(
        Recipe(
          "linux.uml mem=512M ... \("virtio_uml.device=\(backend.socket):26".shellWord)",
          remark: "the backend must take its long SET_MEM_TABLE; those built on rust-vmm do not"))
    }
  }

  private func qemuFileSystem(_ backend: Inspection, _ tag: String, _ queues: Int) -> Recipe {
    let chardev = "socket,id=fs0,path=\(backend.socket.optionValue)".shellWord
    var device = "vhost-user-fs-pci,chardev=fs0,tag=\(tag.optionValue),queue-size=1024"
    if queues > 1 { device += ",num-request-queues=\(queues)" }
    return Recipe(
      "qemu-system-x86_64 ... -m 1G -object memory-backend-memfd,id=mem,size=1G,share=on "
        + "-machine memory-backend=mem -chardev \(chardev) -device \(device.shellWord)",
      remark: backend.offers(.deviceState) ? nil : "the guest cannot migrate (no DEVICE_STATE)")
  }

  private func hint(_ verdict: Verdict, _ backend: Inspection, _ reason: String) -> Verdict {
    guard case .cannot(let sentence) = verdict, !backend.offers(.config) else { return verdict }
    return .cannot("\(sentence): \(reason); start the backend with --tag")
  }
}
