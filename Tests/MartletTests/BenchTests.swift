// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Invariants: every bench runs on tiny inputs, so that it cannot rot; what it writes is what programs expect, read by
/// a JSON reader of somebody else's; a run that ends early keeps what it measured, says one sentence, and leaves no
/// process, mount or file behind.
@Suite(.serialized, .enabled(if: Programs.isThere, Programs.missing), .timeLimit(.minutes(30)))
struct BenchTests {
  /// The shortest run that measures anything; ours against itself.
  static let tiny = [
    "--rounds", "2", "--milliseconds", "5", "--ours", Programs.martletFS, "--ours-args", "--sandbox=none", "--rival",
    "twin=\(Programs.martletFS)", "--rival-args", "--sandbox=none",
  ]

  static func share(_ place: Workplace, _ filter: [String], _ more: [String] = []) async throws -> Outcome {
    try await RunningProgram.martlet(
      ["bench", "share", "--dir", place.path, "--modes", "default", "--file-mib", "4"] + tiny
        + filter.flatMap { ["--filter", $0] } + more, in: place)
  }

  struct Failure: Error {}

  static func object(_ path: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(filePath: path))
    guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else { throw Failure() }
    return object
  }

  static func results(_ path: String) throws -> [[String: Any]] {
    try object(path)["results"] as? [[String: Any]] ?? []
  }

  /// Folders that runs make.
  static func leftovers(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("martlet-bench-") }
  }

  @Test func `the whole matrix has every corner of every axis`() async throws {
    let outcome = try await RunningProgram.martlet(["bench", "share", "--all", "--list"])
    let names = outcome.output.split(separator: "\n").map(String.init)
    #expect(Set(names).count == names.count)
    for pattern in ["randread", "randwrite", "seqread", "seqwrite"] {
      for size in ["4k", "128k", "1m"] {
        for (direct, depths) in [("", [1, 16, 64]), (" direct", [1, 16, 32, 64])] {
          for depth in depths {
            for jobs in ["", " 4j"] {
              let name = "\(pattern) \(size)\(direct) d\(depth)\(jobs)"
              #expect(names.contains(name), "\(name)")
            }
          }
        }
      }
    }
    for name in [
      "lookup known", "lookup absent", "getattr", "open-close", "create-unlink", "rename", "readdirplus 10k",
      "readdirplus 100k", "memory 100k inodes",
    ] {
      #expect(names.contains(name), "\(name)")
    }
  }

  @Test func `requests through virtqueues are measured and reported`() async throws {
    let place = try Workplace()
    let works = [
      "lookup known", "lookup absent", "getattr", "open-close", "create-unlink", "rename", "statfs", "readdirplus 10k",
      "randread 4k d16", "randwrite 4k d1", "seqread 1m d1", "randread 128k d1 4j",
    ]
    let files = ["json", "md", "svg"].map { place.file("report.\($0)") }
    let outcome = try await Self.share(
      place, works, ["--json", files[0], "--markdown", files[1], "--plot", files[2], "--queues", "2"])
    try #require(outcome.status == 0, "\(outcome.errors)")
    #expect(try Self.leftovers(in: place.path) == [])
    let report = try Self.object(files[0])
    #expect(report["martlet_bench"] as? Int == 1)
    #expect((report["facts"] as? [String: String])?["processor"] != nil)
    let results = try Self.results(files[0])
    #expect(Set(results.compactMap { $0["work"] as? String }).isSuperset(of: works))
    for result in results { check(result) }
    let markdown = try String(contentsOfFile: files[1], encoding: .utf8)
    #expect(markdown.contains("### Mode `default`") && markdown.contains("| randread 4k d16 | martlet-fs |"))
    let picture = try String(contentsOfFile: files[2], encoding: .utf8)
    #expect(picture.hasPrefix("<svg ") && picture.hasSuffix("</svg>\n"))
    #expect(picture.components(separatedBy: "<text").count == picture.components(separatedBy: "</text>").count)
  }

  /// One result of the JSON form.
  func check(_ result: [String: Any]) {
    let name = result["work"] as? String ?? "?"
    #expect(result["mode"] as? String == "default")
    #expect(result["depth"] is Int && result["jobs"] is Int && result["goals"] is [String: Any])
    let contestants = result["contestants"] as? [[String: Any]] ?? []
    #expect(contestants.prefix(2).map { $0["name"] as? String } == ["martlet-fs", "twin"], "\(name)")
    #expect(contestants.prefix(2).map { $0["role"] as? String } == ["ours", "rival"])
    for contestant in contestants {
      #expect(contestant["failure"] is NSNull, "\(name): \(contestant)")
      let rounds = contestant["rounds"] as? [[String: Any]] ?? []
      #expect(rounds.count == 2, "\(name)")
      for round in rounds {
        #expect((round["operations"] as? Int ?? 0) > 0 && (round["nanoseconds"] as? Int ?? 0) > 0, "\(name)")
      }
      let latencies = contestant["latency_ns"] as? [String: Int] ?? [:]
      let curve = ["p0", "p50", "p90", "p99", "p99.9", "p99.99"].compactMap { latencies[$0] }
      #expect(curve.count == 6 && curve == curve.sorted(), "\(name): \(latencies)")
    }
    #expect(contestants.last?["ours_over_this_percent"] is Int, "\(name)")
  }

  @Test func `a run goes on where another ended, and tables can be made again`() async throws {
    let place = try Workplace()
    let json = place.file("r.json")
    #expect(try await Self.share(place, ["getattr d16"], ["--json", json]).status == 0)
    let before = try Self.results(json)
    let more = try await Self.share(
      place, ["getattr d16", "statfs"], ["--json", json, "--resume", "--markdown", place.file("r.md")])
    #expect(more.status == 0, "\(more.errors)")
    let after = try Self.results(json)
    #expect(after.compactMap { $0["work"] as? String } == ["getattr d16", "statfs"])
    #expect(NSDictionary(dictionary: after[0]) == NSDictionary(dictionary: before[0]))
    let again = try await RunningProgram.martlet(
      ["bench", "report", json, "--markdown", place.file("again.md")], in: place)
    #expect(again.status == 0, "\(again.errors)")
    #expect(
      try String(contentsOfFile: place.file("again.md"), encoding: .utf8)
        == String(contentsOfFile: place.file("r.md"), encoding: .utf8))
  }

  @Test func `empty requests are measured`() async throws {
    let place = try Workplace()
    let json = place.file("r.json")
    let outcome = try await RunningProgram.martlet(
      ["bench", "rings", "--json", json] + Self.tiny, in: place)
    try #require(outcome.status == 0, "\(outcome.errors)")
    let results = try Self.results(json)
    #expect(results.contains { $0["work"] as? String == "empty d128" })
    for result in results { check(result) }
  }

  /// A backend for volumes: ours, or else QEMU's.
  static let volume: String? = [BuildFolder.program("martlet-blk"), "/usr/bin/qemu-storage-daemon"]
    .first { FileManager.default.isExecutableFile(atPath: $0) }
  static let noVolume: Comment = "needs martlet-blk beside the tests, or qemu-storage-daemon"

  static func volumes(_ command: [String], _ place: Workplace) async throws -> [[String: Any]] {
    let json = place.file("r.json")
    let program = volume ?? ""
    let outcome = try await RunningProgram.martlet(
      ["bench"] + command + ["--rounds", "2", "--milliseconds", "5", "--json", json, "--ours", program, "--rival"]
        + [(program.hasSuffix("martlet-blk") ? "twin" : "qemu-storage-daemon") + "=\(program)"], in: place)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try leftovers(in: place.path) == [])
    return try results(json)
  }

  @Test(.enabled(if: volume != nil, noVolume))
  func `volumes are measured, and what their images give`() async throws {
    let place = try Workplace()
    let results = try await Self.volumes(
      ["volume", "--dir", place.path, "--modes", "cached", "--file-mib", "4", "--queues", "2"], place)
    #expect(
      Set(results.compactMap { $0["work"] as? String }).isSuperset(of: ["randread 4k d128", "randwrite 4k d32 4j"]))
    for result in results {
      let contestants = result["contestants"] as? [[String: Any]] ?? []
      #expect(contestants.map { $0["role"] as? String } == ["ours", "rival", "reference"])
      for contestant in contestants {
        #expect(contestant["failure"] is NSNull && (contestant["rounds"] as? [Any])?.count == 2, "\(contestant)")
      }
    }
  }

  @Test(.enabled(if: volume != nil, noVolume))
  func `empty requests of volumes are measured`() async throws {
    let results = try await Self.volumes(["rings", "--device", "blk"], try Workplace())
    #expect(results.contains { $0["work"] as? String == "empty d128" })
    #expect(!results.contains { ($0["work"] as? String)?.hasPrefix("getattr") == true })
  }

  static let screens = BuildFolder.program("martlet-gpu")

  /// Every mode and every task, on the smaller screen: what is copied and what arrives is as the modes say.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: screens), "needs martlet-gpu beside the tests"))
  func `screens are measured`() async throws {
    let place = try Workplace()
    let json = place.file("r.json")
    let outcome = try await RunningProgram.martlet(
      [
        "bench", "display", "--filter", "1080p", "--rounds", "2", "--milliseconds", "20", "--json", json, "--markdown",
        place.file("r.md"), "--plot", place.file("r.svg"), "--ours", Self.screens, "--ours-args", "--sandbox=none",
        "--rival", "twin=\(Self.screens)", "--rival-args", "--sandbox=none",
      ], in: place)
    try #require(outcome.status == 0, "\(outcome.errors)")
    #expect(try Self.leftovers(in: place.path) == [])
    let frame = 1920 * 1080 * 4
    var seen: Set<String> = []
    /// Frames, or one more: on a busy machine the last one of the turn before may come after the counters were read.
    func isAbout(_ count: Int?, _ frames: Int, of byteCount: Int = frame) -> Bool {
      (frames * byteCount...frames * byteCount + frame).contains(count ?? -1)
    }
    for result in try Self.results(json) {
      let (mode, work) = (result["mode"] as? String ?? "", result["work"] as? String ?? "")
      seen.insert("\(mode): \(work)")
      let contestants = result["contestants"] as? [[String: Any]] ?? []
      #expect(contestants.map { $0["name"] as? String }.prefix(2) == ["martlet-gpu", "twin"], "\(mode): \(work)")
      for contestant in contestants {
        #expect(contestant["failure"] is NSNull, "\(mode): \(work): \(contestant)")
      }
      for round in contestants.first?["rounds"] as? [[String: Any]] ?? [] {
        let operations = round["operations"] as? Int ?? 0
        let copied = round["copied_bytes"] as? Int
        let shown = round["shown_frames"] as? Int
        #expect(operations > 0)
        switch (mode, work) {
        // From guest memory to the host's picture; the display is sent that, and not all of them.
        case ("qemu", "flip 1080p"):
          #expect(copied == operations * frame && (0...operations + 1).contains(shown ?? -1))
        case ("qemu", "seen 1080p"):
          #expect(copied == operations * frame && (operations...operations + 1).contains(shown ?? -1))
        case ("qemu", "gather 1080p"): #expect(isAbout(copied, operations) && (0...1).contains(shown ?? -1))
        // Nobody looks.
        case ("plain", "flip 1080p"): #expect(copied == 0 && shown == nil)
        case ("plain-2d", "flip 1080p"): #expect(copied == operations * frame && shown == nil)
        // Blobs are copied once, when somebody looks.
        case ("plain", "seen 1080p"): #expect(copied == operations * frame)
        case ("vnc", "seen 1080p"): #expect(isAbout(copied, operations))
        case ("vnc", "seen 64x64 1080p"): #expect(isAbout(copied, operations, of: 64 * 64 * 4))
        default: break
        }
      }
    }
    #expect(
      seen.isSuperset(of: [
        "qemu: flip 1080p", "qemu: damage 64x64 1080p", "qemu: seen 64x64 1080p", "qemu: gather 1080p",
        "qemu: cursor 1080p", "plain: flip 1080p", "plain: seen 1080p", "plain: cursor 1080p", "plain-2d: flip 1080p",
        "vnc: flip 1080p", "vnc: seen 1080p", "vnc: seen 64x64 1080p",
      ]))
    #expect(try String(contentsOfFile: place.file("r.md"), encoding: .utf8).contains("| shown/s | copied MB/op |"))
  }

  @Test(.enabled(if: Programs.canMount, Programs.cannotMount))
  func `a mount and whole loads are measured`() async throws {
    let place = try Workplace()
    let json = place.file("r.json")
    let tree = try place.makeDirectory("source/deep")
    try await shell("for i in 1 2 3 4 5; do echo $i > deep/$i; echo $i$i > $i.txt; done", in: place.file("source"))
    let works = [
      "getattr", "open-close", "create-unlink", "rename", "randread 4k d1", "randwrite 4k direct d16",
      "randread 4k direct d16 4j", "tree unpack", "tree read", "git status", "compile",
    ]
    let outcome = try await Self.share(
      place, works, ["--through", "mount", "--tree", place.file("source"), "--json", json])
    try #require(outcome.status == 0, "\(tree): \(outcome.errors)")
    #expect(try Self.leftovers(in: place.path) == [])
    let results = try Self.results(json)
    for name in works where name != "git status" && name != "compile" {
      #expect(results.contains { $0["work"] as? String == name }, "\(name)")
    }
    for result in results {
      for contestant in result["contestants"] as? [[String: Any]] ?? [] {
        #expect(contestant["failure"] is NSNull, "\(contestant)")
        #expect((contestant["rounds"] as? [Any])?.count == 2)
      }
    }
  }

  // MARK: Runs that end early

  /// A run that would last for minutes, as soon as it has measured something: whoever looks may look late.
  func longRun(_ place: Workplace, _ json: String, through way: String = "queues") async throws -> RunningProgram {
    let run = try RunningProgram(
      [
        Programs.martlet, "bench", "share", "--dir", place.path, "--modes", "default", "--file-mib", "4", "--through",
        way, "--rounds", "1000", "--milliseconds", "1", "--json", json, "--ours", Programs.martletFS, "--ours-args",
        "--sandbox=none",
      ] + ["getattr", "open-close", "create-unlink", "rename", "rand"].flatMap { ["--filter", $0] }, in: place)
    try await run.waitUntil("at its second work") { (try? Self.results(json))?.isEmpty == false }
    return run
  }

  @Test(arguments: ["queues", "mount"])
  func `a signal ends a run between two turns`(_ way: String) async throws {
    if way == "mount", !Programs.canMount { return }
    let place = try Workplace()
    let json = place.file("r.json")
    let run = try await longRun(place, json, through: way)
    run.send(SIGTERM)
    let outcome = try await run.wait()
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("martlet: interrupted; what was measured until then is in"), "\(outcome.errors)")
    #expect(try !Self.results(json).isEmpty)
    #expect(try Self.leftovers(in: place.path) == [])
    #expect(processes(naming: place.path) == [])
  }

  @Test(arguments: ["queues", "mount"])
  func `a backend that dies in the middle ends the run`(_ way: String) async throws {
    if way == "mount", !Programs.canMount { return }
    let place = try Workplace()
    let json = place.file("r.json")
    let run = try await longRun(place, json, through: way)
    // Between two works there may be none.
    while run.isRunning {
      let backends = processes(naming: place.path)
      for backend in backends where backend.line.contains("martlet-fs") && backend.line.contains("socket") {
        kill(backend.identifier, SIGKILL)
      }
      try await Task.sleep(for: .milliseconds(10))
    }
    let outcome = try await run.wait()
    #expect(outcome.status == 1)
    let last = outcome.errorLines.last ?? ""
    #expect(last.hasPrefix("martlet: ") && !last.contains("interrupted"), "\(outcome.errors)")
    #expect(try !Self.results(json).isEmpty)
    #expect(try Self.leftovers(in: place.path) == [])
    #expect(processes(naming: place.path) == [])
  }

  struct Process: Equatable {
    let identifier: Int32
    let line: String
  }

  /// Processes with `text` in their command line, but not the bench itself.
  func processes(naming text: String) -> [Process] {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return entries.compactMap { Int32($0) }.compactMap { identifier in
      guard let bytes = FileManager.default.contents(atPath: "/proc/\(identifier)/cmdline") else { return nil }
      let line = String(decoding: bytes.map { $0 == 0 ? 0x20 : $0 }, as: UTF8.self)
      return line.contains(text) && !line.contains(" bench ") ? Process(identifier: identifier, line: line) : nil
    }
  }
}
