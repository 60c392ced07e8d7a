// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Invariants: what is printed is what the backend offers; the JSON is valid and says the same as the text; a backend
/// of ours serves on after it was inspected.
@Suite(.enabled(if: Programs.isThere, Programs.missing), .timeLimit(.minutes(30)))
struct InspectTests {
  /// Every line but the features, which grow with the backend.
  static func golden(_ socket: String) -> [String] {
    let memory = "-m 1G -object memory-backend-memfd,id=mem,size=1G,share=on -machine memory-backend=mem"
    let chardev = "-chardev socket,id=fs0,path=\(socket)"
    return [
      "backend            \(socket)",
      "device             file system (virtio id 26), known by its features and configuration",
      "queues             3",
      "memory slots       509",
      "configuration      tag 'data', 2 request queues",
      "qemu               qemu-system-x86_64 ... \(memory) \(chardev) "
        + "-device vhost-user-fs-pci,chardev=fs0,tag=data,queue-size=1024,num-request-queues=2",
      "cloud-hypervisor   cloud-hypervisor ... --memory size=1G,shared=on "
        + "--fs tag=data,socket=\(socket),num_queues=2,queue_size=1024",
      "firecracker        no: it has no virtio-fs",
      "crosvm             crosvm run ... --vhost-user type=fs,socket=\(socket)",
      "stratovirt         stratovirt -machine microvm,mem-share=on ... \(chardev) "
        + "-device vhost-user-fs-device,id=fs0,chardev=fs0,tag=data",
      "alioth             alioth boot ... --memory size=1G,backend=memfd --fs vu,socket=\(socket),tag=data",
      "user-mode-linux    linux.uml mem=512M ... virtio_uml.device=\(socket):26",
    ]
  }

  @Test func tellsAPersonWhatOursOffers() async throws {
    let folder = try await SharedFolder(options: ["--on-disconnect=relisten"])
    let outcome = try await RunningProgram.martlet(["inspect", "--socket", folder.socket])
    #expect(outcome.status == 0 && outcome.errors.isEmpty)
    let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    for line in Self.golden(folder.socket) { #expect(lines.contains(line), "no '\(line)' in:\n\(outcome.output)") }
    let features = try #require(lines.first { $0.hasPrefix("virtio features ") })
    #expect(features.contains(" INDIRECT_DESC EVENT_IDX PROTOCOL_FEATURES VERSION_1"))
    let more = try #require(lines.first { $0.hasPrefix("protocol features ") })
    for name in ["MQ", "REPLY_ACK", "CONFIG", "INFLIGHT_SHMFD", "CONFIGURE_MEM_SLOTS"] {
      #expect(more.contains(" \(name)"), "\(more)")
    }
  }

  @Test func tellsAProgramTheSame() async throws {
    let folder = try await SharedFolder(options: ["--on-disconnect=relisten"])
    let text = try await RunningProgram.martlet(["inspect", "--socket", folder.socket]).output
    let outcome = try await RunningProgram.martlet(["inspect", "--json", "--socket", folder.socket])
    #expect(outcome.status == 0 && outcome.errors.isEmpty)
    let parsed = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    let json = try #require(parsed as? [String: Any])
    #expect(
      Set(json.keys) == [
        "socket", "device", "virtio_features", "protocol_features", "queues", "memory_slots", "configuration",
        "shared_memory", "frontends",
      ])
    #expect(json["socket"] as? String == folder.socket)
    #expect(json["queues"] as? Int == 3)
    #expect(json["memory_slots"] as? Int == 509)
    let device = try #require(json["device"] as? [String: Any])
    #expect(device["kind"] as? String == "fs")
    #expect(device["virtio_id"] as? Int == 26)
    #expect(device["known_by"] as? String == "configuration")
    let configuration = try #require(json["configuration"] as? [String: Any])
    #expect(configuration["tag"] as? String == "data")
    #expect(configuration["request_queues"] as? Int == 2)
    for (member, title) in [("virtio_features", "virtio features    "), ("protocol_features", "protocol features  ")] {
      let features = try #require(json[member] as? [String: Any])
      let names = try #require(features["names"] as? [String])
      let line = "\(title)\(features["bits"] as? String ?? "") \(names.joined(separator: " "))"
      #expect(text.contains(line + "\n"), "\(line)")
    }
    let frontends = try #require(json["frontends"] as? [[String: Any]])
    #expect(
      frontends.map { $0["name"] as? String } == [
        "qemu", "cloud-hypervisor", "firecracker", "crosvm", "stratovirt", "alioth", "user-mode-linux",
      ])
    for frontend in frontends {
      #expect(frontend["attaches"] as? Bool == (frontend["command"] is String))
      #expect(frontend["attaches"] as? Bool == (frontend["reason"] is NSNull))
      if let command = frontend["command"] as? String { #expect(text.contains(command + "\n")) }
    }
  }

  @Test func givesTheSameBytesForTheSameFacts() async throws {
    let folder = try await SharedFolder(options: ["--on-disconnect=relisten"])
    let arguments = ["inspect", "--json", "--socket", folder.socket]
    let first = try await RunningProgram.martlet(arguments).output
    #expect(try await RunningProgram.martlet(arguments).output == first)
    #expect(folder.backend.isRunning)
  }

  @Test func saysWhyAFrontendCannotAttach() async throws {
    // Without a tag there is no configuration to ask for.
    let place = try Workplace()
    let backend = try RunningProgram(
      [
        Programs.martletFS, "--shared-dir=/usr", "--socket-path=\(place.file("s"))", "--sandbox=none",
        "--on-disconnect=relisten",
      ], in: place)
    try await backend.waitUntil("serving") { backend.log.contains("] serving ") }
    let text = try await RunningProgram.martlet(["inspect", "--socket", place.file("s")]).output
    if text.contains("not offered (no CONFIG)") {
      #expect(text.contains("crosvm             no: needs CONFIG"), "\(text)")
      #expect(text.contains("known by its features and queues"), "\(text)")
    }
    let told = try await RunningProgram.martlet(["inspect", "--device=blk", "--socket", place.file("s")]).output
    #expect(told.contains("device             block (virtio id 2), known by --device"), "\(told)")
  }

  static let gpu = BuildFolder.program("martlet-gpu")

  @Test(
    .enabled(if: FileManager.default.isExecutableFile(atPath: gpu), "needs martlet-gpu beside the tests"))
  func namesBothDialectsOfOurGPU() async throws {
    let place = try Workplace()
    let socket = place.file("s")
    let backend = try RunningProgram([Self.gpu, "--socket-path=\(socket)", "--on-disconnect=relisten"], in: place)
    try await backend.waitUntil("serving") { backend.log.contains("] serving ") }
    let outcome = try await RunningProgram.martlet(["inspect", "--socket", socket])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let lines = outcome.output.split(separator: "\n").map(String.init)
    func has(_ start: String, _ end: String) -> Bool { lines.contains { $0.hasPrefix(start) && $0.hasSuffix(end) } }
    #expect(has("qemu  ", " -device vhost-user-gpu-pci,chardev=gpu0"), "\(outcome.output)")
    #expect(
      has(
        "     ",
        "(QEMU shows the picture; if the backend shall, with QEMU 11.1: -device "
          + "vhost-user-test-device-pci,chardev=gpu0,virtio-id=16,num_vqs=2,config_size=16)"))
    #expect(has("cloud-hypervisor  ", " --generic-vhost-user 'socket=\(socket),device_type=16,queue_sizes=[256,16]'"))
    #expect(has("crosvm  ", " --vhost-user type=gpu,socket=\(socket)"))
    // Whoever looked did no harm.
    #expect(backend.isRunning)
  }

  @Test(.enabled(if: Programs.hasRival, "needs the virtiofsd of QEMU 7 (qemu-system-common of Debian 12)"))
  func tellsWhatVirtiofsdOffers() async throws {
    let folder = try await SharedFolder(.rival)
    let outcome = try await RunningProgram.martlet(["inspect", "--socket", folder.socket])
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("device             file system (virtio id 26)"), "\(outcome.output)")
    #expect(outcome.output.contains("\nqueues             2\n"))
    #expect(outcome.output.contains("\nconfiguration      not offered (no CONFIG)\n"))
    #expect(outcome.output.contains("crosvm             no: needs CONFIG, which the backend does not offer"))
  }
}
